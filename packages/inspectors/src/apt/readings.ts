import type { Readable } from 'node:stream';
import type { ArtifactView, BodyDigests } from '@waybill/contracts';

/** One way to read a body: as it came, or with its Content-Encoding undone. */
export interface Reading {
  readonly digests: BodyDigests;
  readonly size: number;
  open(): Readable;
}

/** What indexes say of a body. */
export interface Listed {
  readonly size: number;
  readonly sha256: string;
  readonly sha512?: string | undefined;
}

/**
 * The reading of a body that is what an index lists. Servers label `Packages.gz` with `Content-Encoding: gzip` although the
 * index means the compressed bytes, and some compress a plain file on the way: the bytes as they came are tried first.
 */
export async function readingOf(artifact: ArtifactView, listed: readonly Listed[]): Promise<Reading | undefined> {
  const raw: Reading = { digests: artifact.digests, size: artifact.size, open: () => artifact.openRaw() };
  if (listed.some((one) => isListed(one, raw))) return raw;
  if (artifact.contentEncoding === undefined) return undefined;
  const decoded: Reading = { ...(await artifact.decoded()), open: () => artifact.open() };
  return listed.some((one) => isListed(one, decoded)) ? decoded : undefined;
}

/** Whether all that an index says of a file is true of these bytes. */
export function isListed(listed: Listed, { digests, size }: Pick<Reading, 'digests' | 'size'>): boolean {
  return (
    listed.size === size &&
    listed.sha256 === digests.sha256 &&
    (listed.sha512 === undefined || listed.sha512 === digests.sha512)
  );
}

/** What is wrong between bytes and the index's entry, for people. */
export function difference(what: string, found: Pick<Reading, 'digests' | 'size'>, by: string, listed: Listed): string {
  if (found.size !== listed.size) return `${what} has ${found.size} bytes, ${by} lists ${listed.size}`;
  if (found.digests.sha256 !== listed.sha256) {
    return `${what} has sha256 ${found.digests.sha256}, ${by} lists ${listed.sha256}`;
  }
  return `${what} has sha512 ${found.digests.sha512}, ${by} lists ${listed.sha512}`;
}
