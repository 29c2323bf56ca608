import type { InspectorsConfig, RequestView } from '@waybill/contracts';
import { compileUrlGlob, normalizeUrl, type UrlGlob } from '@waybill/policy';
import { globVariants } from '../url-globs.js';
import { type OciResource, parseDistributionPath } from './distribution-path.js';

/** A configured registry. */
export interface OciRegistry {
  /** Path in the configuration: `oci.registries.<name>`. */
  readonly id: string;
  readonly host: string;
  /** With a closing slash. */
  readonly url: URL;
  /** Normalised `url`. */
  readonly base: string;
  readonly repositories: readonly UrlGlob[];
  readonly auth: readonly UrlGlob[];
  readonly blobs: readonly UrlGlob[];
  /** PEM. */
  readonly keys: readonly string[];
}

/** @throws PolicyError POLICY_GLOB_INVALID */
export function ociRegistries(config: InspectorsConfig): readonly OciRegistry[] {
  return Object.entries(config.oci?.registries ?? {}).map(([name, registry]): OciRegistry => {
    const url = new URL('/', registry.url);
    return {
      id: `oci.registries.${name}`,
      host: url.host,
      url,
      base: normalizeUrl(url),
      repositories: registry.repositories.map(compileUrlGlob),
      auth: registry.auth.flatMap(globVariants).map(compileUrlGlob),
      blobs: registry.blobs.flatMap(globVariants).map(compileUrlGlob),
      keys: registry.keys,
    };
  });
}

/** A request of the distribution API. */
export interface LocatedImage<Resource extends OciResource = OciResource> {
  readonly registry: OciRegistry;
  readonly resource: Resource;
}

/** What a URL names; a repository that is not among the allowed ones is nobody's. */
export function locateImage(
  registries: readonly OciRegistry[],
  { normalizedUrl }: RequestView,
): LocatedImage | undefined {
  const address = withoutQuery(normalizedUrl);
  for (const registry of registries) {
    if (!address.startsWith(`${registry.base}v2`)) continue;
    const resource = parseDistributionPath(address.slice(registry.base.length));
    if (!resource) continue;
    if (!('name' in resource) || registry.repositories.some((glob) => glob.matches(resource.name))) {
      return { registry, resource };
    }
  }
  return undefined;
}

/** The registries of which some list of globs matches a URL, with or without its query. */
export function matchingRegistries(
  registries: readonly OciRegistry[],
  list: 'auth' | 'blobs',
  { normalizedUrl }: RequestView,
): readonly OciRegistry[] {
  const address = withoutQuery(normalizedUrl);
  return registries.filter((registry) =>
    registry[list].some((glob) => glob.matches(address) || glob.matches(normalizedUrl)),
  );
}

function withoutQuery(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}
