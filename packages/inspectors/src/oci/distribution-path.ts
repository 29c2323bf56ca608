/** What a path below a registry's origin names. */
export type OciResource =
  | { readonly kind: 'ping' }
  | { readonly kind: 'tags'; readonly name: string }
  | {
      readonly kind: 'manifest';
      readonly name: string;
      readonly reference: string;
      readonly digest: string | undefined;
    }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: string }
  | { readonly kind: 'upload'; readonly name: string };

const repository = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const digest = /^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/;
const longestName = 255;

/**
 * Reads a path of the distribution API; undefined for everything else.
 * @see OCI Distribution Specification 1.1, "Endpoints"
 */
export function parseDistributionPath(path: string): OciResource | undefined {
  if (path === 'v2/' || path === 'v2') return { kind: 'ping' };
  const [, name = '', rest = ''] = /^v2\/(.+?)\/((?:tags\/list|(?:manifests|blobs|referrers)\/.+))$/.exec(path) ?? [];
  if (name === '' || name.length > longestName || !repository.test(name)) return undefined;
  if (rest === 'tags/list') return { kind: 'tags', name };
  const slash = rest.indexOf('/');
  const what = rest.slice(0, slash);
  const reference = decoded(rest.slice(slash + 1));
  if (what === 'blobs' && /^uploads(\/|$)/.test(reference)) return { kind: 'upload', name };
  const named = digest.test(reference) ? reference : undefined;
  if (what === 'manifests') {
    return named || tag.test(reference) ? { kind: 'manifest', name, reference, digest: named } : undefined;
  }
  if (!named) return undefined;
  return { kind: what === 'blobs' ? 'blob' : 'referrers', name, digest: named };
}

/** Whether a text is a digest that images are named by. */
export function isImageDigest(text: unknown): text is string {
  return typeof text === 'string' && digest.test(text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
