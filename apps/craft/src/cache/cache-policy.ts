import type { ArtifactOrigin } from '@waybill/cache-client';
import type { CacheArtifact } from '@waybill/contracts';
import type { SessionClass } from './key-document.js';

/** Whose artifacts are taken; what is absent lets everything pass. */
export interface AcceptRules {
  /** Namespaces of servers: a name, or `name/*` for all below it. */
  readonly namespaces?: readonly string[] | undefined;
  /** Who wrote them there, as the server says. */
  readonly writers?: readonly string[] | undefined;
  /** Only what was built in a strict session. */
  readonly 'strict-only'?: boolean | undefined;
}

/**
 * Kinds of sessions whose results a build may take. A session takes only what has a record at least as strict as its own would
 * be: its report could not say otherwise what went into the artifact.
 */
export function acceptedClasses(session: SessionClass, rules: AcceptRules): readonly SessionClass[] {
  if (session === 'strict' || rules['strict-only']) return ['strict'];
  return session === 'permissive' ? ['strict', 'permissive'] : ['strict', 'permissive', 'none'];
}

/** Why an artifact is not taken; `undefined` when it is. */
export function whyNot(
  candidate: { readonly manifest: CacheArtifact; readonly origin: ArtifactOrigin },
  wanted: { readonly key: string; readonly session: SessionClass; readonly rules: AcceptRules },
): string | undefined {
  const { manifest, origin } = candidate;
  const { rules } = wanted;
  if (manifest.key !== wanted.key || manifest['key-document']?.sha256 !== wanted.key) {
    return 'its key is not that of its key document';
  }
  if ((manifest['session-policy'] ?? 'none') !== wanted.session) {
    return `it was built in another kind of session than its name says (${manifest['session-policy'] ?? 'none'})`;
  }
  if (wanted.session !== 'none' && !manifest.record) return 'it has no record of what its build downloaded';
  // What this machine built itself came through no namespace and from no writer.
  if (origin.remote === 'local') return undefined;
  const { namespace, writer } = origin;
  if (rules.namespaces && !rules.namespaces.some((pattern) => matches(pattern, namespace))) {
    return `it is in the namespace ${namespace ?? '(unknown)'}, which cache.accept.namespaces does not name`;
  }
  if (rules.writers && (writer === undefined || !rules.writers.includes(writer))) {
    return `${writer ?? 'somebody unknown'} wrote it, whom cache.accept.writers does not name`;
  }
  return undefined;
}

function matches(pattern: string, namespace: string | undefined): boolean {
  if (namespace === undefined) return false;
  return pattern.endsWith('/*') ? namespace.startsWith(pattern.slice(0, -1)) : namespace === pattern;
}
