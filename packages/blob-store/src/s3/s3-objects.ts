import type { IncomingMessage } from 'node:http';
import { Limit } from './limit.js';
import { MultipartUpload, type ReadPart } from './multipart-upload.js';
import { type Patience, withRetries } from './retries.js';
import type { S3Access } from './s3-client.js';
import { S3Failure, toFailure } from './s3-failure.js';
import type { S3Location } from './s3-options.js';
import { emptySha256, type SignedRequests } from './signed-requests.js';

/** What S3 knows of an object without its bytes. */
export interface ObjectInfo {
  readonly size: number;
  readonly lastModified: Date;
  /** What was said of it when it was stored; names in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** An object in a list. */
export interface ListedObject {
  /** Without the prefix that was asked for. */
  readonly name: string;
  readonly size: number;
  readonly lastModified: Date;
}

/** An object on its way, from `start` on. */
export interface ObjectStream extends ObjectInfo {
  readonly body: IncomingMessage;
}

/** What the operations on a bucket need. */
export interface S3ObjectsOptions {
  readonly access: S3Access;
  readonly requests: SignedRequests;
  readonly location: S3Location;
  readonly patience: Patience;
  readonly connections: number;
  readonly partBytes: number;
}

/** Parts of all uploads in memory at a time. */
const partsUnderway = 4;
const metadataPrefix = 'x-amz-meta-';

/**
 * The operations on a bucket that blobs need, each repeated when it fails in passing. Keys are relative to the store's prefix.
 * @throws S3Failure
 */
export class S3Objects {
  readonly #options: S3ObjectsOptions;
  readonly #limit: Limit;
  readonly #parts = new Limit(partsUnderway);

  constructor(options: S3ObjectsOptions) {
    this.#options = options;
    this.#limit = new Limit(options.connections);
  }

  /** Stores an object that fits into memory. @param options.sha256 of the body: the server refuses other bytes */
  async put(
    key: string,
    body: Buffer,
    { sha256, metadata }: { readonly sha256: string; readonly metadata?: Readonly<Record<string, string>> },
  ): Promise<void> {
    await this.#patiently(() =>
      this.#options.requests.complete({
        method: 'PUT',
        key: this.#full(key),
        body,
        sha256,
        headers: headersOf(metadata),
      }),
    );
  }

  /** Stores an object without bytes: its name and its time say everything. */
  async mark(key: string): Promise<void> {
    await this.put(key, Buffer.alloc(0), { sha256: emptySha256 });
  }

  /** Stores an object in parts: nothing of it can be read before it is whole. */
  async upload(
    key: string,
    source: { readonly size: number; readonly read: ReadPart; readonly metadata: Readonly<Record<string, string>> },
  ): Promise<void> {
    const { access, location, partBytes, patience } = this.#options;
    await withRetries(async () => {
      const upload = new MultipartUpload({
        access,
        bucket: location.bucket,
        key: this.#full(key),
        partBytes,
        patience,
        limit: this.#parts,
      });
      await upload.run(source);
      const stored = await this.head(key);
      if (stored?.size === source.size) return;
      throw new S3Failure(`stored ${stored?.size ?? 'no'} bytes of ${source.size}`, {
        status: 0,
        code: 'IncompleteBody',
      });
    }, patience);
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    return await this.#unlessMissing(async () =>
      infoOf(await this.#options.requests.complete({ method: 'HEAD', key: this.#full(key) })),
    );
  }

  /** The bytes from `start` to `end` (inclusive). */
  async get(
    key: string,
    range: { readonly start?: number; readonly end?: number | undefined; readonly signal?: AbortSignal } = {},
  ): Promise<ObjectStream | undefined> {
    const { start = 0, end, signal } = range;
    const headers: Record<string, string> = {};
    if (start > 0 || end !== undefined) headers.Range = `bytes=${start}-${end ?? ''}`;
    return await this.#unlessMissing(async () => {
      const body = await this.#options.requests.send({ method: 'GET', key: this.#full(key), headers, signal });
      return { ...infoOf(body), body };
    });
  }

  /** @param signal ends the attempt; it is not repeated then */
  async delete(key: string, signal?: AbortSignal): Promise<void> {
    const request = { method: 'DELETE', key: this.#full(key), signal } as const;
    await this.#unlessMissing(() => this.#options.requests.complete(request), signal && { signal });
  }

  /** Objects whose keys start so, in order, a thousand at a time. */
  async *list(prefix: string): AsyncGenerator<ListedObject> {
    const { access, location } = this.#options;
    const { ListObjectsV2Command } = access.sdk;
    const start = this.#full(prefix);
    let next: string | undefined;
    do {
      const page = new ListObjectsV2Command({ Bucket: location.bucket, Prefix: start, ContinuationToken: next });
      const { Contents, IsTruncated, NextContinuationToken } = await this.#patiently(() => access.client.send(page));
      for (const { Key = '', Size = 0, LastModified } of Contents ?? []) {
        yield { name: Key.slice(start.length), size: Size, lastModified: LastModified ?? new Date(0) };
      }
      if (IsTruncated && !NextContinuationToken) {
        throw new S3Failure('a list ends in the middle, without a way to go on', { status: 200, code: '' });
      }
      next = IsTruncated ? NextContinuationToken : undefined;
    } while (next !== undefined);
  }

  /** Removes what unfinished uploads left that began before; returns how many. */
  async abortUploads(before: Date): Promise<number> {
    const { access, location } = this.#options;
    const { ListMultipartUploadsCommand, AbortMultipartUploadCommand } = access.sdk;
    let count = 0;
    let markers: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
    for (;;) {
      const page = new ListMultipartUploadsCommand({ Bucket: location.bucket, Prefix: location.prefix, ...markers });
      const found = await this.#patiently(() => access.client.send(page));
      for (const { Key, UploadId, Initiated } of found.Uploads ?? []) {
        if (!Key?.startsWith(location.prefix) || !Initiated || Initiated >= before) continue;
        const abort = new AbortMultipartUploadCommand({ Bucket: location.bucket, Key, UploadId });
        await this.#unlessMissing(() => access.client.send(abort));
        count++;
      }
      if (!found.IsTruncated || !found.NextKeyMarker) return count;
      markers = { KeyMarker: found.NextKeyMarker, UploadIdMarker: found.NextUploadIdMarker };
    }
  }

  close(): void {
    this.#options.requests.close();
    this.#options.access.client.destroy();
  }

  #full(key: string): string {
    return this.#options.location.prefix + key;
  }

  #patiently<T>(work: () => Promise<T>, patience: Partial<Patience> = {}): Promise<T> {
    return this.#limit.run(() => withRetries(work, { ...this.#options.patience, ...patience }));
  }

  async #unlessMissing<T>(work: () => Promise<T>, patience?: Partial<Patience>): Promise<T | undefined> {
    try {
      return await this.#patiently(work, patience);
    } catch (error) {
      if (toFailure(error).isMissing) return undefined;
      throw error;
    }
  }
}

function headersOf(metadata: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`${metadataPrefix}${name}`, value]));
}

function infoOf({ headers }: IncomingMessage): ObjectInfo {
  const known = Object.entries(headers).filter(([name]) => name.startsWith(metadataPrefix));
  return {
    size: sizeOf(headers['content-range'], headers['content-length']),
    lastModified: new Date(headers['last-modified'] ?? 0),
    metadata: Object.fromEntries(known.map(([name, value]) => [name.slice(metadataPrefix.length), String(value)])),
  };
}

/** Of the whole object. RFC 9110 §14.4 */
function sizeOf(range: string | undefined, length: string | undefined): number {
  const text = range === undefined ? length : /\/(\d+)$/.exec(range)?.[1];
  if (text === undefined || !/^\d{1,15}$/.test(text)) {
    throw new S3Failure('an answer without a length', { status: 0, code: 'IncompleteBody' });
  }
  return Number(text);
}
