import type { InspectorsConfig, RequestView, VouchLink } from '@waybill/contracts';
import { compileUrlGlob, normalizeUrl, type UrlGlob } from '@waybill/policy';

/** A repository that a request is for, and the pattern that allows it. */
export interface AllowedRepository {
  /** Normalised URL without `/info/refs` or `/git-upload-pack`. */
  readonly url: string;
  readonly host: string;
  /** Last path segment without `.git`. */
  readonly name: string;
  /** The trust root: `git.urls[<index>]`, or that of another section. */
  readonly origin: VouchLink;
}

/** Matches repositories with `git.urls`. */
export type RepositoryMatcher = (request: RequestView, service: string) => AllowedRepository | undefined;

/**
 * Globs match origin and path of the request without its query, as written in the section's `urls`; the repository's own URL (without the
 * service) does too.
 * @throws PolicyError POLICY_GLOB_INVALID
 */
export function repositoryMatcher(config: InspectorsConfig, section: 'git' | 'crafts' = 'git'): RepositoryMatcher {
  const globs: readonly UrlGlob[] = (config[section]?.urls ?? []).map(compileUrlGlob);
  return ({ url }, service) => {
    const bare = new URL(url);
    bare.search = '';
    const address = normalizeUrl(bare);
    const repository = address.slice(0, -`/${service}`.length);
    const index = globs.findIndex((glob) => glob.matches(address) || glob.matches(repository));
    const glob = globs[index];
    if (!glob) return undefined;
    return {
      url: repository,
      host: url.hostname,
      name: nameOf(repository, url.hostname),
      origin: { kind: 'origin', id: `${section}.urls[${index}]`, name: glob.source },
    };
  };
}

function nameOf(repository: string, host: string): string {
  const last = repository.slice(repository.lastIndexOf('/') + 1).replace(/\.git$/, '');
  let name = last;
  try {
    name = decodeURIComponent(last);
  } catch {
    // An odd name stays as it is written.
  }
  return name === '' || repository.endsWith('//') ? host : name;
}
