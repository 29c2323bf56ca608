import type { Readable } from 'node:stream';
import type { ArtifactView } from '@waybill/contracts';
import { type Digestible, decodedDigests } from '../has-digest.js';

/** One way to read a body: as it came, or with its Content-Encoding undone. */
export interface Reading extends Digestible {
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
export async function readingOf<Entry extends Listed>(
  artifact: ArtifactView,
  listed: readonly Entry[],
): Promise<{ readonly reading: Reading; readonly match: Entry } | undefined> {
  const raw: Reading = {
    digest: (algorithm) => artifact.digest(algorithm),
    size: artifact.size,
    open: () => artifact.openRaw(),
  };
  const rawMatch = await findListed(listed, raw);
  if (rawMatch) return { reading: raw, match: rawMatch };
  if (artifact.contentEncoding === undefined) return undefined;
  const { size } = await artifact.decoded();
  const decoded: Reading = { ...(await decodedDigests(artifact)), size, open: () => artifact.open() };
  const match = await findListed(listed, decoded);
  return match && { reading: decoded, match };
}

async function findListed<Entry extends Listed>(listed: readonly Entry[], bytes: Reading): Promise<Entry | undefined> {
  for (const one of listed) if (await isListed(one, bytes)) return one;
  return undefined;
}

/** Whether all that an index says of a file is true of these bytes. */
async function isListed({ size, sha256, sha512 }: Listed, bytes: Reading): Promise<boolean> {
  if (size !== bytes.size || sha256 !== (await bytes.digest('sha256'))) return false;
  return sha512 === undefined || sha512 === (await bytes.digest('sha512'));
}

/** What is wrong between bytes and the index's entry, for people. */
export async function difference(
  what: string,
  found: Pick<Reading, 'digest' | 'size'>,
  by: string,
  listed: Listed,
): Promise<string> {
  if (found.size !== listed.size) return `${what} has ${found.size} bytes, ${by} lists ${listed.size}`;
  const sha256 = await found.digest('sha256');
  if (sha256 !== listed.sha256) return `${what} has sha256 ${sha256}, ${by} lists ${listed.sha256}`;
  return `${what} has sha512 ${await found.digest('sha512')}, ${by} lists ${listed.sha512}`;
}
