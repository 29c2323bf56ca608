/** What a path below a registry's base names. */
export type NpmResource =
  | { readonly kind: 'packument'; readonly name: string }
  | { readonly kind: 'version'; readonly name: string; readonly spec: string }
  | { readonly kind: 'dist-tags'; readonly name: string }
  | TarballResource;

/** `version` is undefined when the file is not called `<name>-<version>.tgz`. */
export interface TarballResource {
  readonly kind: 'tarball';
  readonly name: string;
  readonly file: string;
  readonly version?: string | undefined;
}

const part = /^[A-Za-z0-9~!'()*-][A-Za-z0-9~!'()*._-]{0,213}$/;
const reserved = new Set(['node_modules', 'favicon.ico']);
/** Registries still list versions from before they were checked, such as `1.0.0beta`. */
const looseVersion = /^\d+\.\d+\.\d[0-9A-Za-z.+-]*$/;

/**
 * Reads the part of a URL path behind the registry's base: `<name>`, `@scope/name`, `@scope%2fname`, `<name>/<version or tag>`,
 * `-/package/<name>/dist-tags`, `<name>/-/<file>.tgz`. undefined for everything else.
 */
export function parseRegistryPath(path: string): NpmResource | undefined {
  const segments = decodeSegments(path);
  if (!segments) return undefined;
  if (segments[0] === '-' && segments[1] === 'package' && segments.at(-1) === 'dist-tags') {
    const named = takeName(segments.slice(2, -1));
    return named?.rest.length === 0 ? { kind: 'dist-tags', name: named.name } : undefined;
  }
  const named = takeName(segments);
  if (!named) return undefined;
  const { name, rest } = named;
  if (rest.length === 0) return { kind: 'packument', name };
  if (rest[0] === '-') return tarball(name, rest.slice(1));
  const [spec] = rest;
  if (rest.length !== 1 || name === '-' || spec === undefined || !/^[\w.+~^-]{1,256}$/.test(spec)) return undefined;
  return { kind: 'version', name, spec };
}

/** Reads the conventional end of any tarball URL, `…/<name>/-/<file>.tgz`. */
export function parseTarballTail(path: string): TarballResource | undefined {
  const segments = decodeSegments(path);
  const dash = segments?.lastIndexOf('-') ?? -1;
  if (!segments || dash < 1) return undefined;
  const scoped = segments[dash - 2]?.startsWith('@') === true;
  const named = takeName(segments.slice(scoped ? dash - 2 : dash - 1, dash));
  return named?.rest.length === 0 ? tarball(named.name, segments.slice(dash + 1)) : undefined;
}

/** Whether a text is a version as registries keep them: semantic, or nearly so. */
export function isVersion(text: string): boolean {
  return text.length <= 256 && looseVersion.test(text);
}

/** Name as it stands in a URL path: the slash of a scope encoded, as npm's own client writes it. */
export function encodeName(name: string): string {
  return name.replace('/', '%2f');
}

/** `@scope/name` in its two parts. */
export function splitName(name: string): { readonly scope?: string; readonly unscoped: string } {
  const slash = name.indexOf('/');
  return slash < 0 ? { unscoped: name } : { scope: name.slice(0, slash), unscoped: name.slice(slash + 1) };
}

function tarball(name: string, rest: readonly string[]): TarballResource | undefined {
  const { scope, unscoped } = splitName(name);
  // Some registries repeat the scope: @s/name/-/@s/name-1.0.0.tgz.
  const files = rest.length === 2 && rest[0] === scope ? rest.slice(1) : rest;
  const [file] = files;
  if (files.length !== 1 || file === undefined || !/^[^\\\0]{1,512}\.tgz$/i.test(file)) return undefined;
  const version = file.startsWith(`${unscoped}-`) ? file.slice(unscoped.length + 1, -'.tgz'.length) : '';
  return { kind: 'tarball', name, file, ...(isVersion(version) && { version }) };
}

function takeName(segments: readonly string[]): { name: string; rest: readonly string[] } | undefined {
  const [first = '', second = ''] = segments;
  if (first.startsWith('@')) {
    if (!part.test(first.slice(1)) || !part.test(second)) return undefined;
    return { name: `${first}/${second}`, rest: segments.slice(2) };
  }
  return part.test(first) && !reserved.has(first) ? { name: first, rest: segments.slice(1) } : undefined;
}

/** Percent-decoded segments; a scope's encoded slash separates, any other encoded slash makes the path nobody's. */
function decodeSegments(path: string): string[] | undefined {
  const segments: string[] = [];
  for (const raw of path.split('/')) {
    let text: string;
    try {
      text = decodeURIComponent(raw);
    } catch {
      return undefined;
    }
    const pieces = text.startsWith('@') ? text.split('/') : [text];
    if (pieces.length > 2 || pieces.some((piece) => piece === '' || piece.includes('/') || piece === '..'))
      return undefined;
    segments.push(...pieces);
  }
  return segments;
}
