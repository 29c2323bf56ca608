import type { Derivation } from '@waybill/contracts';
import { decompressAny } from './bytes/decompress.js';
import { maxPackagesBytes, parsePackages } from './packages-index.js';
import { openTable, type PackagesIndex } from './packed-table.js';

/**
 * The table of a Packages file, by the digest of the file as it is downloaded. A change of what {@link readPackages} accepts, or
 * of the packed form, takes another number.
 */
export const packagesDerivation: Derivation<PackagesIndex> = {
  id: 'apt.packages/1',
  weigh: ({ weight }) => weight,
  pack: ({ packed }) => packed,
  unpack: openTable,
};

/**
 * Reads a Packages file in whatever compression.
 * @throws FormatProblem
 */
export async function readPackages(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<PackagesIndex> {
  return parsePackages(decompressAny(bytes, { maxBytes: maxPackagesBytes, signal }), signal);
}
