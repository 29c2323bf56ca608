import type {
  CacheBlobDocument,
  CacheEntryDocument,
  CachePublishRequest,
  CachePublishResponse,
} from '@waybill/contracts';

/** Takes what comes of a blob. */
export interface BlobSink {
  write(chunk: Uint8Array): Promise<void>;
}

/** A blob that is sent: opened once an attempt, from a byte on. */
export interface BlobSource {
  readonly blob: CacheBlobDocument;
  open(from: number): AsyncIterable<Uint8Array>;
}

/** A remote that is read from. Errors are `CacheClientError`s with codes `CACHE_REMOTE_…`. */
export interface RemoteReader {
  /** Undefined: there is no such entry. */
  find(key: string, signal?: AbortSignal): Promise<CacheEntryDocument | undefined>;
  /**
   * The bytes of a blob, from the first to the last, each once, also when it takes several attempts; nothing says yet that they
   * are right. @returns false when the remote does not have it
   */
  fetch(blob: CacheBlobDocument, sink: BlobSink, signal?: AbortSignal): Promise<boolean>;
  close(): Promise<void>;
}

/** A remote that is written to. */
export interface RemoteWriter {
  has(key: string, signal?: AbortSignal): Promise<boolean>;
  /** Those of the blobs that it lacks; the others stay for long enough to publish a name. */
  missing(blobs: readonly CacheBlobDocument[], signal?: AbortSignal): Promise<readonly CacheBlobDocument[]>;
  /** Verified and durable over there when it resolves. */
  send(source: BlobSource, signal?: AbortSignal): Promise<void>;
  publish(request: CachePublishRequest, signal?: AbortSignal): Promise<CachePublishResponse['outcome']>;
  close(): Promise<void>;
}
