import type { InspectorsConfig } from '@waybill/contracts';
import { compileUrlGlob, normalizeUrl, type UrlGlob } from '@waybill/policy';
import { globVariants } from '../url-globs.js';

/** A configured cargo registry. */
export interface CargoRegistry {
  /** Path in the configuration: `cargo.registries.<name>`. */
  readonly id: string;
  readonly host: string;
  /** Normalised URL of the index, with a closing slash; every URL of the index begins with it. */
  readonly base: string;
  /** Where crates may lie. */
  readonly downloads: readonly UrlGlob[];
}

/**
 * The configured registries, those with the longest base first so that the closest one answers.
 * @throws PolicyError POLICY_GLOB_INVALID
 */
export function cargoRegistries(config: InspectorsConfig): readonly CargoRegistry[] {
  const registries = Object.entries(config.cargo?.registries ?? {}).map(
    ([name, { index, downloads }]): CargoRegistry => {
      const url = new URL(index);
      url.search = '';
      url.hash = '';
      if (!url.pathname.endsWith('/')) url.pathname += '/';
      return {
        id: `cargo.registries.${name}`,
        host: url.host,
        base: normalizeUrl(url),
        downloads: downloads.flatMap(globVariants).map(compileUrlGlob),
      };
    },
  );
  return registries.sort((a, b) => b.base.length - a.base.length);
}

/** The registry whose index a URL belongs to, and what follows its base. */
export function locateInIndex(
  registries: readonly CargoRegistry[],
  normalizedUrl: string,
): { readonly registry: CargoRegistry; readonly path: string } | undefined {
  const registry = registries.find(({ base }) => normalizedUrl.startsWith(base));
  return registry && { registry, path: normalizedUrl.slice(registry.base.length) };
}
