import { hash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { InspectionContext, JsonObject, VouchLink } from '@waybill/contracts';
import { normalizeUrl } from '@waybill/policy';
import { contentEncodingAttribute, removeContentEncoding } from '../content-encoding.js';
import type { LockedPackages } from '../lock-files/lock-files.js';
import {
  findTarball,
  type ListedTarball,
  oddTarballScope,
  packumentKind,
  packumentScope,
  toCatalog,
  trustedPackuments,
} from './packument-catalog.js';
import { packumentDerivation, readPackument } from './packument-document.js';
import type { Registry } from './registries.js';
import { encodeName } from './registry-path.js';
import type { TarballPlace } from './tarball-place.js';

/** Somebody who says which digests a tarball has. */
export interface Voucher {
  readonly listed: ListedTarball;
  readonly link: VouchLink;
  readonly registry: Registry;
  readonly annotations?: JsonObject | undefined;
  /** The document that lists it, decoded; a lock file has none. */
  readonly open?: (() => Readable) | undefined;
}

/** What the configuration's lock files and the session's packuments say of a tarball, newest first. */
export async function findVouchers(
  places: readonly TarballPlace[],
  context: InspectionContext,
  locked: LockedPackages,
): Promise<Voucher[]> {
  const vouchers = lockVouchers(places, locked);
  for (const place of places) {
    const { registry } = place;
    const scopes = [
      ...(place.name === undefined ? [] : [packumentScope(registry, place.name)]),
      oddTarballScope(registry),
    ];
    for (const scope of scopes) {
      for (const { ref, value } of await trustedPackuments(context, scope)) {
        const listed = findTarball(value, place);
        if (!listed) continue;
        const encoding = ref.attributes?.[contentEncodingAttribute];
        const open = () => removeContentEncoding(context.openArtifact(ref.sha256), encoding);
        vouchers.push({ listed, link: packumentLink(ref, listed), registry, open });
      }
      if (vouchers.some(({ link }) => link.kind === 'artifact')) break;
    }
  }
  return vouchers;
}

function lockVouchers(places: readonly TarballPlace[], locked: LockedPackages): Voucher[] {
  return places.flatMap(({ name, version, registry, url }) => {
    const named = name !== undefined && version !== undefined ? locked.find('npm', name, version) : [];
    const entries = named.length > 0 ? named : locked.atUrl(normalizeUrl(url));
    return entries.map((entry) => ({
      listed: { name: entry.name, version: entry.version, digests: entry.digests },
      link: entry.link,
      registry,
    }));
  });
}

/**
 * Asks the registry itself when no packument was fetched in this session: an install from a lock file never reads one. The
 * document of the one version is small; registries without such documents give the packument.
 */
export async function fetchVoucher(places: readonly TarballPlace[], context: InspectionContext): Promise<Voucher[]> {
  for (const place of places) {
    const { name, version, registry } = place;
    if (name === undefined) continue;
    const document = `${registry.url.href}${encodeName(name)}`;
    const urls: [string, number][] = [[document, 64 * 2 ** 20]];
    if (version !== undefined) urls.unshift([`${document}/${encodeURIComponent(version)}`, 4 * 2 ** 20]);
    for (const [url, maxBytes] of urls) {
      const bytes = await context.companion(new URL(url), maxBytes);
      if (!bytes) continue;
      const sha256 = hash('sha256', bytes);
      const listed = await readListing({ bytes, sha256 }, place, context);
      if (!listed) continue;
      // The session inspects and records it as any other packument.
      const link = packumentLink({ sha256, inspector: packumentKind }, listed);
      const annotations = { 'listed-in': url, 'listed-in-sha256': sha256 };
      const open = () => Readable.from([Buffer.from(bytes)], { objectMode: false });
      return [{ listed, link, registry, annotations, open }];
    }
  }
  return [];
}

function packumentLink(
  { sha256, inspector }: { readonly sha256: string; readonly inspector: string },
  { name }: ListedTarball,
): VouchLink {
  return { kind: 'artifact', sha256, inspector, name: `packument of ${name}` };
}

async function readListing(
  { bytes, sha256 }: { readonly bytes: Uint8Array; readonly sha256: string },
  place: TarballPlace,
  context: InspectionContext,
): Promise<ListedTarball | undefined> {
  try {
    // The session looks at it once more, as at any other packument.
    const document = await context.derived(packumentDerivation, sha256, () =>
      readPackument(Readable.from([Buffer.from(bytes)], { objectMode: false })),
    );
    if (document.name !== place.name || document.contradictions.length > 0) return undefined;
    return findTarball(toCatalog(document, document.name ?? ''), place);
  } catch {
    return undefined;
  }
}
