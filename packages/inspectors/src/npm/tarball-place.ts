import type { RequestView } from '@waybill/contracts';
import { locate, type Registry, withoutQuery } from './registries.js';
import { parseRegistryPath, parseTarballTail } from './registry-path.js';

/** A registry whose tarball a URL may be, with what the URL says of it. */
export interface TarballPlace {
  readonly registry: Registry;
  readonly url: URL;
  readonly name?: string | undefined;
  readonly version?: string | undefined;
}

/** The registry below whose base the URL lies, or all whose `tarballs` globs match it; empty when it is no tarball of theirs. */
export function locateTarball(registries: readonly Registry[], request: RequestView): TarballPlace[] {
  const { normalizedUrl, url } = request;
  const located = locate(registries, normalizedUrl);
  const resource = located && parseRegistryPath(located.path);
  if (located && resource?.kind === 'tarball') {
    return [{ registry: located.registry, url, name: resource.name, version: resource.version }];
  }
  if (resource) return [];
  const address = withoutQuery(normalizedUrl);
  const matching = registries.filter(({ tarballs }) =>
    tarballs.some((glob) => glob.matches(address) || glob.matches(normalizedUrl)),
  );
  const tail = parseTarballTail(url.pathname.slice(1));
  return matching.map((registry) => ({ registry, url, name: tail?.name, version: tail?.version }));
}
