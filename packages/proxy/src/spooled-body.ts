import { Readable } from 'node:stream';
import type { BlobStore, BodyDigests, ByteRange } from '@waybill/contracts';

/** A body that lies in the blob store whole, hashed. */
export interface SpooledBody {
  readonly digests: BodyDigests;
  readonly size: number;
  /** The bytes, when there are few enough to keep. */
  readonly small: Buffer | undefined;
  /** The bytes, or a part of them. The caller consumes or destroys the stream. */
  open(range?: ByteRange): Readable;
}

/** What a body lies in. */
export interface SpooledBodyOptions {
  readonly blobs: Pick<BlobStore, 'open'>;
  readonly digests: BodyDigests;
  readonly size: number;
  readonly small: Buffer | undefined;
}

export function spooledBody({ blobs, digests, size, small }: SpooledBodyOptions): SpooledBody {
  return {
    digests,
    size,
    small,
    open(range) {
      if (!small) return blobs.open(digests.sha256, range);
      return Readable.from([range ? small.subarray(range.start, range.end + 1) : small], { objectMode: false });
    },
  };
}
