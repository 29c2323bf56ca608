import type { Readable } from 'node:stream';
import type { BodyDigests, Digest } from './digest.js';

/** A stored body. */
export interface BlobInfo {
  readonly digests: BodyDigests;
  /** Bytes. */
  readonly size: number;
}

/** A stored body as a sweep sees it. */
export interface BlobEntry {
  readonly sha256: string;
  /** Bytes of the body. */
  readonly size: number;
  /** When it was last committed or resolved, by any process; may lag behind by a minute, or by what the driver says. */
  readonly usedAt: Date;
}

/** How much a store holds. */
export interface BlobUsage {
  /** Bytes of all bodies. */
  readonly bytes: number;
  readonly count: number;
}

/** What is known of a body before it comes. */
export interface BlobWriterOptions {
  /** Expected bytes, lets the driver choose between segment and file early. Not trusted. */
  readonly sizeHint?: number | undefined;
  /**
   * Whether `digests.sha512` is wanted. Small (packed) bodies always get it; of a large one it would take half of the time,
   * so it is left out unless asked for here. Default false.
   */
  readonly sha512?: boolean | undefined;
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

/** A blob and the file to make of it. */
export interface BlobExport {
  readonly sha256: string;
  readonly path: string;
}

/**
 * Content-addressed bytes, write-once. Names are sha256 in lower-case hex. All methods are safe to call concurrently.
 *
 * Errors are `WaybillError`s with codes `BLOB_NOT_FOUND`, `BLOB_CORRUPT` (bytes on disk do not match their name),
 * `BLOB_STORAGE_FULL`, `BLOB_STORAGE_FAILED`, `BLOB_RANGE_INVALID`, `BLOB_CLOSED`; opening a driver may also fail
 * with `BLOB_LOCKED`.
 */
export interface BlobStore {
  create(options?: BlobWriterOptions): BlobWriter;
  /** undefined when absent. */
  stat(sha256: string): Promise<BlobInfo | undefined>;
  /**
   * The name of a stored body with this sha256, sha512 or sha1; undefined when there is none, or none whose digest of that
   * kind is known. Counts as a use of the blob. What it answers rests on digests taken when the body was stored: read the
   * blob whole to have its bytes verified.
   */
  resolve(digest: Digest): Promise<string | undefined>;
  /** Streams a blob, or a range of it. A whole read is verified: the stream errors with `BLOB_CORRUPT` before its last byte when the bytes do not match. */
  open(sha256: string, range?: ByteRange): Readable;
  /** Makes all blobs committed before the call durable; concurrent calls share one fsync. */
  flush(): Promise<void>;
  /**
   * Removes a blob; space of packed blobs is reclaimed by `compact()`. Absent is fine.
   *
   * With `unusedSince` it stays when any process committed or resolved it since then, or as much earlier as times of use lag
   * behind: what sweeps a store that others write to passes a time before which everything used is recorded. It may be gone
   * only some time later. Without a condition nobody else may be about to use it.
   * @returns whether it was there and is gone, or will be
   */
  delete(sha256: string, options?: { readonly unusedSince?: Date | undefined }): Promise<boolean>;
  /** Reclaims space of deleted packed blobs. Bounded work per call; returns bytes freed. */
  compact(): Promise<number>;
  /** All names, in no order, in bounded memory. */
  list(): AsyncIterable<string>;
  /** As {@link list}, with what a sweep by age or quota asks for. */
  entries(): AsyncIterable<BlobEntry>;
  /** Cheap enough to be asked for each scrape; may lag behind by a minute where others write too. */
  usage(): Promise<BlobUsage>;
  /** Materialises a blob as a file at `path` (hard link where possible, else copy). */
  exportTo(sha256: string, path: string): Promise<void>;
  /** {@link exportTo} for many at once, in no order and much cheaper. After an error some of the files may be there. */
  exportMany(files: readonly BlobExport[]): Promise<void>;
  close(): Promise<void>;
}
