import type { RequestView, VouchLink } from '@waybill/contracts';
import { compileUrlGlob } from '@waybill/policy';

/** Which pattern of a section allows a request's URL; undefined when none does. */
export type UrlMatcher = (request: RequestView) => Extract<VouchLink, { kind: 'origin' }> | undefined;

/**
 * Matches a section's `urls`, globs over origin and path without the query.
 * @throws PolicyError POLICY_GLOB_INVALID
 */
export function urlMatcher(section: string, urls: readonly string[] = []): UrlMatcher {
  const globs = urls.map(compileUrlGlob);
  if (globs.length === 0) return () => undefined;
  return ({ normalizedUrl }) => {
    const address = normalizedUrl.split('?', 1)[0] as string;
    const index = globs.findIndex((glob) => glob.matches(address));
    const glob = globs[index];
    return glob && { kind: 'origin', id: `${section}.urls[${index}]`, name: glob.source };
  };
}
