import { createHash } from 'node:crypto';
import { type BlobStore, type BodyDigests, isWaybillError, type Logger } from '@waybill/contracts';
import type { Exchange } from '../exchange.js';
import { type SpooledBody, spooledBody } from '../spooled-body.js';

/** What is needed to read a stored body. */
export interface BodyReading {
  readonly exchange: Exchange;
  readonly blobs: Pick<BlobStore, 'resolve' | 'stat' | 'open'>;
  readonly smallBodyBytes: number;
  readonly logger: Logger;
}

/**
 * A stored body, read once from its first to its last byte before anybody relies on it, so that one which is damaged or gone is
 * fetched instead. undefined when it is.
 *
 * @param sha512 whether that digest is needed too, should the store not know it
 * @throws Stop when the exchange is broken off
 */
export async function verifiedBody(
  sha256: string,
  { exchange, blobs, smallBodyBytes, logger }: BodyReading,
  { sha512 = false }: { readonly sha512?: boolean } = {},
): Promise<SpooledBody | undefined> {
  try {
    // Counts as a use: whoever clears the store leaves it alone until it is recorded.
    if ((await blobs.resolve({ algorithm: 'sha256', hex: sha256 })) !== sha256) return undefined;
    const info = await blobs.stat(sha256);
    if (!info) return undefined;
    const stream = blobs.open(sha256);
    const forget = exchange.whenStopped((stop) => stream.destroy(stop));
    const kept: Buffer[] | undefined = info.size <= smallBodyBytes ? [] : undefined;
    const hash = sha512 && info.digests.sha512 === undefined ? createHash('sha512') : undefined;
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        hash?.update(chunk);
        kept?.push(chunk);
      }
    } finally {
      forget();
    }
    const digests: BodyDigests = hash ? { ...info.digests, sha512: hash.digest('hex') } : info.digests;
    return spooledBody({ blobs, digests, size: info.size, small: kept && Buffer.concat(kept, info.size) });
  } catch (error) {
    exchange.check();
    const code = isWaybillError(error) ? error.code : undefined;
    logger.warn({ blob: sha256, code }, 'a stored body cannot be read and is fetched again');
    return undefined;
  }
}
