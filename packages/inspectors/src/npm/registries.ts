import type { InspectorsConfig } from '@waybill/contracts';
import { compileUrlGlob, normalizeUrl, type UrlGlob } from '@waybill/policy';
import { type RegistryKey, registryKey } from './signatures.js';

/** A configured npm registry. */
export interface Registry {
  /** Path in the configuration: `npm.registries.<name>`. */
  readonly id: string;
  readonly host: string;
  /** Origin and path, with a closing slash. */
  readonly url: URL;
  /** Normalised `url`; every URL of the registry begins with it. */
  readonly base: string;
  /** Where else tarballs may lie. */
  readonly tarballs: readonly UrlGlob[];
  readonly signatures: 'off' | 'verify' | 'require';
  /** Configured ones; empty when those count that the registry lists. */
  readonly keys: readonly RegistryKey[];
}

/**
 * The configured registries, those with the longest base first so that the closest one answers.
 * @throws PolicyError POLICY_GLOB_INVALID
 * @throws SignatureFormatError for a configured key that cannot be read
 */
export function npmRegistries(config: InspectorsConfig): readonly Registry[] {
  const registries = Object.entries(config.npm?.registries ?? {}).map(([name, registry]): Registry => {
    const { url, tarballs, signatures = 'off', keys = [] } = registry;
    const base = new URL(url);
    base.search = '';
    base.hash = '';
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    return {
      id: `npm.registries.${name}`,
      host: base.host,
      url: base,
      base: normalizeUrl(base),
      tarballs: tarballs.map(compileUrlGlob),
      signatures,
      keys: keys.map(({ keyid, key, expires }) => registryKey(keyid, key, expires)),
    };
  });
  return registries.sort((a, b) => b.base.length - a.base.length);
}

/** The registry a URL belongs to, and what follows its base, without the query. */
export function locate(
  registries: readonly Registry[],
  normalizedUrl: string,
): { readonly registry: Registry; readonly path: string } | undefined {
  const url = withoutQuery(normalizedUrl);
  const registry = registries.find(({ base }) => url.startsWith(base));
  return registry && { registry, path: url.slice(registry.base.length) };
}

/** A URL up to its query. */
export function withoutQuery(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}
