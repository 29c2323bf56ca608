import type { Readable } from 'node:stream';
import type { BodyDigests } from './digest.js';

/** A stored body. */
export interface BlobInfo {
  readonly digests: BodyDigests;
  /** Bytes. */
  readonly size: number;
}

/** Byte range, both ends inclusive, zero-based. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A body on its way in. Exactly one of `commit` and `abort` ends it; `abort` is idempotent and safe after `commit`. */
export interface BlobWriter {
  /** Resolves when the writer can take more (back-pressure). The chunk must not be changed afterwards. */
  write(chunk: Uint8Array): Promise<void>;
  /** Bytes taken so far. */
  readonly size: number;
  /**
   * Ends the body: hashes are final and the blob can be opened. Durable only after the next `flush()` resolves.
   * Equal bytes are stored once.
   */
  commit(): Promise<BlobInfo>;
  /** Drops everything written; nothing is left behind. */
  abort(): Promise<void>;
}

/**
 * Content-addressed bytes, write-once. Names are sha256 in lower-case hex. All methods are safe to call concurrently.
 *
 * Errors are `WaybillError`s with codes `BLOB_NOT_FOUND`, `BLOB_CORRUPT` (bytes on disk do not match their name),
 * `BLOB_STORAGE_FULL`, `BLOB_STORAGE_FAILED`, `BLOB_RANGE_INVALID`, `BLOB_CLOSED`; opening a driver may also fail
 * with `BLOB_LOCKED`.
 */
export interface BlobStore {
  /** @param sizeHint expected bytes, lets the driver choose between segment and file early. */
  create(options?: { readonly sizeHint?: number | undefined }): BlobWriter;
  /** undefined when absent. */
  stat(sha256: string): Promise<BlobInfo | undefined>;
  /** Streams a blob, or a range of it. A whole read is verified: the stream errors with `BLOB_CORRUPT` before its last byte when the bytes do not match. */
  open(sha256: string, range?: ByteRange): Readable;
  /** Makes all blobs committed before the call durable; concurrent calls share one fsync. */
  flush(): Promise<void>;
  /** Removes a blob; space of packed blobs is reclaimed by `compact()`. Absent is fine. */
  delete(sha256: string): Promise<void>;
  /** Reclaims space of deleted packed blobs. Bounded work per call; returns bytes freed. */
  compact(): Promise<number>;
  /** All names, in no order. */
  list(): AsyncIterable<string>;
  /** Materialises a blob as a file at `path` (hard link where possible, else copy). */
  exportTo(sha256: string, path: string): Promise<void>;
  close(): Promise<void>;
}
