import type { CatalogParser, Digest, InspectionContext } from '@waybill/contracts';
import { isDigestAlgorithm, isHexDigest, parseIntegrity } from '@waybill/contracts';
import { normalizeUrl } from '@waybill/policy';
import { type PackumentDocument, readPackument, type VersionDist } from './packument-document.js';
import { type Registry, withoutQuery } from './registries.js';
import { parseTarballTail } from './registry-path.js';

/** Kind of the catalogs that packuments are. */
export const packumentKind = 'npm.packument';

/** Scope of the packuments of one package. */
export function packumentScope(registry: Pick<Registry, 'id'>, name: string): string {
  return `${packumentKind}:${registry.id}:${name}`;
}

/** Scope of packuments with tarballs at URLs that do not tell the package's name. */
export function oddTarballScope(registry: Pick<Registry, 'id'>): string {
  return `npm.tarballs:${registry.id}`;
}

/** The immutable value: which digests a package's tarballs have. */
export interface PackumentCatalog {
  readonly name: string;
  readonly versions: ReadonlyMap<string, VersionDist>;
}

export const packumentParser: CatalogParser<PackumentCatalog> = {
  kind: packumentKind,
  parse: async (bytes, ref) => toCatalog(await readPackument(bytes), ref.attributes?.name ?? ''),
  weigh({ versions }) {
    let weight = 500;
    for (const [version, dist] of versions) {
      weight +=
        250 + 2 * version.length + Object.values(dist).reduce((sum: number, text: string) => sum + text.length, 0);
    }
    return weight;
  },
};

export function toCatalog(document: PackumentDocument, name: string): PackumentCatalog {
  return { name, versions: document.versions };
}

/** Whether some tarball's URL does not end in `<name>/-/<file>.tgz`. */
export function hasOddTarballs({ name, versions }: PackumentCatalog): boolean {
  for (const { tarball } of versions.values()) {
    if (tarball !== undefined && parseTarballTail(pathOf(tarball))?.name !== name) return true;
  }
  return false;
}

/** A version that a packument lists, and the digests its tarball must have, strongest first. */
export interface ListedTarball {
  readonly name: string;
  readonly version: string;
  readonly digests: readonly Digest[];
}

/**
 * What a packument says of the tarball at a URL: by version when the URL names one, else by `dist.tarball`. A client may
 * have put its registry's host in place of the listed one, so below the registry the path decides.
 */
export function findTarball(
  catalog: PackumentCatalog,
  wanted: { readonly url: URL; readonly version?: string | undefined; readonly registry: Registry },
): ListedTarball | undefined {
  const byVersion = wanted.version === undefined ? undefined : catalog.versions.get(wanted.version);
  if (wanted.version !== undefined && byVersion) return listed(catalog.name, wanted.version, byVersion);
  const target = withoutQuery(normalizeUrl(wanted.url));
  const atRegistry = wanted.url.origin === wanted.registry.url.origin;
  const file = wanted.url.pathname.slice(wanted.url.pathname.lastIndexOf('/'));
  for (const [version, dist] of catalog.versions) {
    if (!dist.tarball?.includes(file)) continue;
    const url = URL.parse(dist.tarball);
    if (!url || !/^https?:$/.test(url.protocol)) continue;
    const isSame = withoutQuery(normalizeUrl(url)) === target || (atRegistry && url.pathname === wanted.url.pathname);
    if (isSame) return listed(catalog.name, version, dist);
  }
  return undefined;
}

/** Trusted packuments under a scope, newest first. */
export async function trustedPackuments(context: InspectionContext, scope: string) {
  return (await context.catalogs<PackumentCatalog>(scope)).toReversed();
}

function listed(name: string, version: string, dist: VersionDist): ListedTarball {
  const digests = parseIntegrity(dist.integrity ?? '').filter(({ algorithm }) => isBodyAlgorithm(algorithm));
  const sha1 = dist.shasum?.toLowerCase();
  if (digests.length === 0 && sha1 !== undefined && isHexDigest('sha1', sha1))
    digests.push({ algorithm: 'sha1', hex: sha1 });
  return { name, version, digests };
}

function isBodyAlgorithm(algorithm: string): boolean {
  return isDigestAlgorithm(algorithm) && (algorithm === 'sha512' || algorithm === 'sha256' || algorithm === 'sha1');
}

function pathOf(url: string): string {
  return URL.parse(url)?.pathname.slice(1) ?? '';
}
