import type { InspectorsConfig, RequestView } from '@waybill/contracts';
import { normalizeUrl } from '@waybill/policy';
import { type KeyRing, readKeyRing } from '../apt/key-ring.js';
import { type MavenResource, parseRepositoryPath } from './repository-path.js';

/** A configured repository. */
export interface MavenRepository {
  /** Path in the configuration: `maven.repositories.<name>`. */
  readonly id: string;
  readonly host: string;
  /** With a closing slash. */
  readonly url: URL;
  /** Normalised `url`. */
  readonly base: string;
  /** Keys of which one has to have signed every artifact; undefined when none are configured. */
  keys(): Promise<KeyRing> | undefined;
}

/** The configured repositories, those with the longest base first. */
export function mavenRepositories(config: InspectorsConfig): readonly MavenRepository[] {
  return Object.entries(config.maven?.repositories ?? {})
    .map(([name, { url: text, 'public-key': armored }]): MavenRepository => {
      const url = new URL(text);
      url.search = '';
      url.hash = '';
      if (!url.pathname.endsWith('/')) url.pathname += '/';
      let ring: Promise<KeyRing> | undefined;
      return {
        id: `maven.repositories.${name}`,
        host: url.host,
        url,
        base: normalizeUrl(url),
        keys() {
          if (armored !== undefined) ring ??= readKeyRing(armored);
          return ring;
        },
      };
    })
    .sort((a, b) => b.base.length - a.base.length);
}

/** A resource and the repository it is of. */
export interface Located<Resource extends MavenResource = MavenResource> {
  readonly repository: MavenRepository;
  /** Below the repository's base. */
  readonly path: string;
  readonly resource: Resource;
}

/** What a URL names; undefined when no repository has it. */
export function locate(repositories: readonly MavenRepository[], { normalizedUrl }: RequestView): Located | undefined {
  const query = normalizedUrl.indexOf('?');
  const address = query < 0 ? normalizedUrl : normalizedUrl.slice(0, query);
  const repository = repositories.find(({ base }) => address.startsWith(base));
  if (!repository) return undefined;
  const path = address.slice(repository.base.length);
  const resource = parseRepositoryPath(path);
  return resource && { repository, path, resource };
}
