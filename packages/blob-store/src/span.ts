import type { ByteRange } from '@waybill/contracts';
import { BlobStoreError } from './errors.js';

/** A range checked against the size. */
export interface Span {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** @throws BlobStoreError BLOB_RANGE_INVALID */
export function spanOf(range: ByteRange | undefined, size: number): Span {
  if (!range) return { start: 0, end: size };
  const { start, end } = range;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end >= size) {
    throw new BlobStoreError(
      'BLOB_RANGE_INVALID',
      `range ${start}-${end} does not lie within a blob of ${size} bytes`,
      {
        hint: 'both ends are inclusive and zero-based; the last byte is size - 1',
      },
    );
  }
  return { start, end: end + 1 };
}
