import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { InspectionContext, JsonObject, VouchLink } from '@waybill/contracts';
import {
  findTarball,
  type ListedTarball,
  oddTarballScope,
  packumentKind,
  packumentScope,
  toCatalog,
  trustedPackuments,
} from './packument-catalog.js';
import { readPackument } from './packument-document.js';
import type { Registry } from './registries.js';
import { encodeName } from './registry-path.js';
import type { TarballPlace } from './tarball-place.js';

/** Somebody who says which digests a tarball has. */
export interface Voucher {
  readonly listed: ListedTarball;
  readonly link: VouchLink;
  readonly registry: Registry;
  readonly annotations?: JsonObject | undefined;
}

/** What the session's packuments say of a tarball, newest first. */
export async function findVouchers(places: readonly TarballPlace[], context: InspectionContext): Promise<Voucher[]> {
  const vouchers: Voucher[] = [];
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
        vouchers.push({ listed, link: packumentLink(ref, listed), registry });
      }
      if (vouchers.length > 0) break;
    }
  }
  return vouchers;
}

/**
 * Asks the registry itself when no packument was fetched in this session: an install from a lock file never reads one. The
 * document of the one version is small; registries without such documents give the packument.
 */
export async function fetchVoucher(places: readonly TarballPlace[], context: InspectionContext): Promise<Voucher[]> {
  for (const place of places) {
    const { name, version, registry, url: own } = place;
    // Companions come from the artifact's own origin; a tarball on another host needs its packument in the session.
    if (name === undefined || own.origin !== registry.url.origin) continue;
    const document = `${registry.url.href}${encodeName(name)}`;
    const urls: [string, number][] = [[document, 64 * 2 ** 20]];
    if (version !== undefined) urls.unshift([`${document}/${encodeURIComponent(version)}`, 4 * 2 ** 20]);
    for (const [url, maxBytes] of urls) {
      const bytes = await context.companion(new URL(url), maxBytes);
      const listed = bytes && (await readListing(bytes, place));
      if (!listed) continue;
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      // The session inspects and records it as any other packument.
      const link = packumentLink({ sha256, inspector: packumentKind }, listed);
      return [{ listed, link, registry, annotations: { 'listed-in': url, 'listed-in-sha256': sha256 } }];
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

async function readListing(bytes: Uint8Array, place: TarballPlace): Promise<ListedTarball | undefined> {
  try {
    const document = await readPackument(Readable.from([Buffer.from(bytes)], { objectMode: false }));
    if (document.name !== place.name || document.contradictions.length > 0) return undefined;
    return findTarball(toCatalog(document, document.name ?? ''), place);
  } catch {
    return undefined;
  }
}
