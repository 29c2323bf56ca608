import type { BlobInfo, BlobStore, Clock, Logger } from '@waybill/contracts';
import { BlobStoreError } from '../errors.js';
import { blobKey, metadataOf, usedKey } from './keys.js';
import { s3Error } from './s3-failure.js';
import type { S3Objects } from './s3-objects.js';

/** What uploading needs. */
export interface UploadsOptions {
  readonly objects: S3Objects;
  /** Holds the bodies until they are uploaded. */
  readonly local: Pick<BlobStore, 'open' | 'stat'>;
  /** Bodies up to this size are one request. */
  readonly partBytes: number;
  readonly useLagMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For people. */
  readonly place: string;
  /** Hears of each blob that is in S3 from now on. */
  readonly onStored: (info: BlobInfo) => void;
}

interface Pending {
  readonly info: BlobInfo;
  /** The bytes of a small one. */
  readonly body: Buffer | undefined;
  running: Promise<void> | undefined;
  failure: unknown;
  /** Since when the local bytes are known to be lost. */
  lostAt: number | undefined;
}

/** More wait for the service than it takes: who stores waits as well. */
const mostPending = 10_000;
const mostPendingBytes = 64 * 1024 * 1024;
/** Uploads remembered, so that the same bytes need not be sent again: about 20 MB. */
const mostRemembered = 100_000;
/** What cannot be uploaded because its bytes are gone fails each flush for so long. */
const lostForMs = 15 * 60_000;

/** Brings blobs to S3, and knows which are not there yet. */
export class Uploads {
  readonly #options: UploadsOptions;
  readonly #pending = new Map<string, Pending>();
  #pendingBytes = 0;
  /** When blobs were last known to be in S3, oldest first. Milliseconds. */
  readonly #stored = new Map<string, number>();
  /** Blobs whose bytes in S3 were found wrong: sent again, whatever S3 says of them. */
  readonly #damaged = new Set<string>();

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  isPending(name: string): boolean {
    return this.#pending.has(name);
  }

  pending(): readonly BlobInfo[] {
    return [...this.#pending.values()].map(({ info }) => info);
  }

  /** Begins to bring a blob to S3 unless it is surely there. Waits while too many are under way. */
  async ensure(info: BlobInfo, body?: Buffer): Promise<void> {
    const { sha256 } = info.digests;
    if (this.#isStored(sha256) || this.#pending.has(sha256)) return;
    if (this.#pending.size >= mostPending || this.#pendingBytes >= mostPendingBytes) await this.flush();
    if (this.#pending.has(sha256)) return;
    const pending: Pending = { info, body, running: undefined, failure: undefined, lostAt: undefined };
    this.#pending.set(sha256, pending);
    this.#pendingBytes += body?.length ?? 0;
    this.#start(pending);
  }

  /** Resolves when a blob is in S3. */
  async store(info: BlobInfo): Promise<void> {
    this.forget(info.digests.sha256);
    await this.ensure(info);
    const pending = this.#pending.get(info.digests.sha256);
    if (pending) await this.#settled(pending);
  }

  /** Notes that a blob was seen in S3. @param at since when it is surely there */
  saw(name: string, at: number): void {
    this.#stored.delete(name);
    this.#stored.set(name, at);
    if (this.#stored.size > mostRemembered) this.#stored.delete(this.#stored.keys().next().value as string);
  }

  /** Notes that a blob is not in S3, or not surely. */
  forget(name: string): void {
    this.#stored.delete(name);
  }

  /** Notes that what S3 has of a blob is wrong. */
  distrust(name: string): void {
    this.#stored.delete(name);
    if (this.#damaged.size < mostRemembered) this.#damaged.add(name);
  }

  /** Gives up a blob that is not wanted any more. */
  async cancel(name: string): Promise<void> {
    const pending = this.#pending.get(name);
    await pending?.running;
    if (pending) this.#drop(name);
  }

  /**
   * Resolves when everything is in S3 that was committed before; what failed is tried again.
   * @throws BlobStoreError BLOB_STORAGE_FAILED, BLOB_STORAGE_FULL
   */
  async flush(): Promise<void> {
    const waiting = [...this.#pending.values()];
    for (const pending of waiting) if (!pending.running) this.#start(pending);
    const results = await Promise.allSettled(waiting.map((pending) => this.#settled(pending)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  #isStored(name: string): boolean {
    const at = this.#stored.get(name);
    return at !== undefined && this.#now() - at < this.#options.useLagMs;
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }

  async #settled(pending: Pending): Promise<void> {
    await pending.running;
    if (pending.failure !== undefined) throw pending.failure;
  }

  /** Never rejects: the failure is kept for those who flush. */
  #start(pending: Pending): void {
    pending.failure = undefined;
    pending.running = this.#upload(pending)
      .catch((error) => {
        pending.failure = this.#judge(pending, error);
      })
      .finally(() => {
        pending.running = undefined;
      });
  }

  async #upload({ info, body }: Pending): Promise<void> {
    const { objects, partBytes, local } = this.#options;
    const { sha256 } = info.digests;
    const metadata = metadataOf(info);
    let at = this.#now();
    if (body) await objects.put(blobKey(sha256), body, { sha256, metadata });
    else if (info.size <= partBytes) {
      await objects.put(blobKey(sha256), await collect(local.open(sha256)), { sha256, metadata });
    } else at = await this.#uploadLarge(info, metadata);
    this.#drop(sha256);
    this.#damaged.delete(sha256);
    this.saw(sha256, at);
    this.#options.onStored(info);
  }

  /** One that is there already is only noted as used: it may be some gigabytes. @returns since when it is surely there */
  async #uploadLarge({ digests, size }: BlobInfo, metadata: Record<string, string>): Promise<number> {
    const { objects, local, useLagMs } = this.#options;
    const key = blobKey(digests.sha256);
    const startedAt = this.#now();
    const found = useLagMs > 0 && !this.#damaged.has(digests.sha256) ? await objects.head(key) : undefined;
    const knowsAll = found && Object.keys(metadata).every((name) => found.metadata[name] === metadata[name]);
    if (found?.size === size && knowsAll) {
      if (startedAt - found.lastModified.getTime() < useLagMs / 2) return found.lastModified.getTime();
      await objects.mark(usedKey(digests.sha256));
      return startedAt;
    }
    const read = (start: number, length: number) =>
      collect(local.open(digests.sha256, { start, end: start + length - 1 }));
    await objects.upload(key, { size, read, metadata });
    return startedAt;
  }

  #judge(pending: Pending, error: unknown): unknown {
    const { logger, place } = this.#options;
    const { sha256 } = pending.info.digests;
    if (error instanceof BlobStoreError && (error.code === 'BLOB_NOT_FOUND' || error.code === 'BLOB_CORRUPT')) {
      pending.lostAt ??= this.#now();
      if (this.#now() - pending.lostAt > lostForMs) this.#drop(sha256);
      logger.error({ blob: sha256, error: error.message }, 'a body was lost before it was uploaded');
      return new BlobStoreError(
        'BLOB_STORAGE_FAILED',
        `cannot store blob ${sha256} in ${place}: its local copy is lost`,
        {
          hint: 'check the disk of the cache directory; downloading the file again repairs this',
          cause: error,
        },
      );
    }
    return s3Error(error, `store blob ${sha256} in`, place);
  }

  #drop(name: string): void {
    const pending = this.#pending.get(name);
    if (pending && this.#pending.delete(name)) this.#pendingBytes -= pending.body?.length ?? 0;
  }
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}
