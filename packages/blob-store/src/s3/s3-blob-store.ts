import { Readable } from 'node:stream';
import type {
  BlobEntry,
  BlobExport,
  BlobInfo,
  BlobStore,
  BlobUsage,
  BlobWriter,
  BlobWriterOptions,
  ByteRange,
  Clock,
  Digest,
} from '@waybill/contracts';
import { isHexDigest } from '@waybill/contracts';
import { BlobStoreError, closedError, notFoundError } from '../errors.js';
import { PerName } from '../per-name.js';
import type { Doomed } from './doomed.js';
import type { Inventory } from './inventory.js';
import { blobInfoOf, blobKey, usedKey } from './keys.js';
import type { LocalCache } from './local-cache.js';
import type { Pointers } from './pointers.js';
import type { RemoteReads } from './remote-reads.js';
import { S3BlobWriter } from './s3-blob-writer.js';
import { s3Error } from './s3-failure.js';
import type { S3Objects } from './s3-objects.js';
import type { Uploads } from './uploads.js';

/** Each may have to be brought from the bucket. */
const parallelExports = 8;

/** The parts of an open store. */
export interface S3StoreParts {
  readonly objects: S3Objects;
  readonly cache: LocalCache;
  readonly uploads: Uploads;
  readonly reads: RemoteReads;
  readonly pointers: Pointers;
  readonly inventory: Inventory;
  readonly doomed: Doomed;
  readonly clock: Clock;
  readonly smallBytes: number;
  readonly useLagMs: number;
  readonly graceMs: number;
  readonly staleUploadMs: number;
  /** For people. */
  readonly place: string;
}

/** Larger blobs are not copied here only to find out whether they are what a pointer says. */
const mostChecked = 64 * 1024 * 1024;

/**
 * Blobs in a bucket, an object each. A body goes to the local store first and from there to S3: `flush` resolves once it is
 * there, and with that all processes see it.
 */
export class S3BlobStore implements BlobStore {
  readonly #parts: S3StoreParts;
  readonly #writers = new Set<S3BlobWriter>();
  readonly #streams = new Set<Readable>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #perName = new PerName();
  #closing: Promise<void> | undefined;

  constructor(parts: S3StoreParts) {
    this.#parts = parts;
  }

  create(options?: BlobWriterOptions): BlobWriter {
    this.#check();
    const { cache, smallBytes } = this.#parts;
    const writer = new S3BlobWriter({
      local: cache.store.create(options),
      smallBytes,
      onCommit: (info, body) => this.#track(() => this.#committed(info, body)),
      onEnd: () => this.#writers.delete(writer),
    });
    this.#writers.add(writer);
    return writer;
  }

  stat(sha256: string): Promise<BlobInfo | undefined> {
    return this.#track(async () => {
      const local = await this.#localInfo(sha256);
      if (local || !isHexDigest('sha256', sha256)) return local;
      return await this.#statRemote(sha256);
    });
  }

  resolve(digest: Digest): Promise<string | undefined> {
    return this.#track(async () => {
      const { cache } = this.#parts;
      const { algorithm, hex } = digest;
      if (!isHexDigest(algorithm, hex)) return undefined;
      const local = await cache.store.resolve(digest);
      const info = local === undefined ? undefined : await this.#localInfo(local);
      if (info) return await this.#use(info);
      if (algorithm === 'sha256') return await this.#resolveName(hex);
      return algorithm === 'sha512' ? await this.#resolveSha512(hex) : undefined;
    });
  }

  open(sha256: string, range?: ByteRange): Readable {
    this.#check();
    const stream = Readable.from(this.#chunks(sha256, range), { objectMode: false });
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    return stream;
  }

  flush(): Promise<void> {
    return this.#track(() => this.#parts.uploads.flush());
  }

  delete(sha256: string, { unusedSince }: { readonly unusedSince?: Date | undefined } = {}): Promise<boolean> {
    return this.#track(async () => {
      if (!isHexDigest('sha256', sha256)) return false;
      return await this.#remotely(`delete blob ${sha256} in`, () =>
        this.#perName.run(sha256, () => (unusedSince ? this.#doom(sha256, unusedSince) : this.#remove(sha256))),
      );
    });
  }

  compact(): Promise<number> {
    return this.#track(() =>
      this.#remotely('tidy up', async () => {
        const { doomed, objects, cache, clock, staleUploadMs } = this.#parts;
        const freed = await doomed.remove();
        await objects.abortUploads(new Date(clock.now().getTime() - staleUploadMs));
        return freed + (await cache.store.compact());
      }),
    );
  }

  async *list(): AsyncGenerator<string> {
    for await (const { sha256 } of this.entries()) yield sha256;
  }

  async *entries(): AsyncGenerator<BlobEntry> {
    this.#check();
    try {
      yield* this.#parts.inventory.entries();
    } catch (error) {
      throw this.#translate(error, 'list');
    }
  }

  usage(): Promise<BlobUsage> {
    return this.#track(() => this.#remotely('list', () => this.#parts.inventory.usage()));
  }

  exportTo(sha256: string, path: string): Promise<void> {
    return this.#track(() => this.#export(sha256, path));
  }

  async #export(sha256: string, path: string): Promise<void> {
    const { cache, reads } = this.#parts;
    if (!isHexDigest('sha256', sha256)) throw notFoundError(sha256);
    try {
      return await cache.store.exportTo(sha256, path);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    if (!(await reads.copy(sha256))) throw notFoundError(sha256);
    await cache.store.exportTo(sha256, path);
  }

  exportMany(files: readonly BlobExport[]): Promise<void> {
    return this.#track(async () => {
      try {
        return await this.#parts.cache.store.exportMany(files);
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
      for (let at = 0; at < files.length; at += parallelExports) {
        const some = files.slice(at, at + parallelExports);
        await Promise.all(some.map(({ sha256, path }) => this.#export(sha256, path)));
      }
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { objects, cache, uploads, pointers } = this.#parts;
    // #closing is set by the caller once this function waits for the first time; nothing new starts after that.
    await undefined;
    try {
      await Promise.all([...this.#writers].map((writer) => writer.abandon(closedError())));
      for (const stream of this.#streams) stream.destroy(closedError());
      await Promise.allSettled(this.#running);
      await uploads.flush();
    } finally {
      await pointers.settled();
      await cache.settled();
      await cache.store.close();
      objects.close();
    }
  }

  async #committed(info: BlobInfo, body: Buffer | undefined): Promise<void> {
    await this.#perName.run(info.digests.sha256, () => this.#bring(info, body));
    this.#parts.cache.check();
  }

  /** Begins to bring a blob to S3, unless it was deleted since it was committed. */
  async #bring(info: BlobInfo, body: Buffer | undefined): Promise<void> {
    const { uploads, doomed } = this.#parts;
    const { sha256 } = info.digests;
    if (!(await this.#localInfo(sha256))) return;
    if (await this.#remotely('read the marks in', () => doomed.has(sha256))) {
      await this.#remotely(`store blob ${sha256} in`, () => doomed.rescue(sha256, () => uploads.store(info)));
    } else await uploads.ensure(info, body);
  }

  async *#chunks(name: string, range: ByteRange | undefined): AsyncGenerator<Buffer> {
    const { cache, reads } = this.#parts;
    let isStarted = false;
    // Asked by its name, so that it counts as used and stays when room is made.
    const local = isHexDigest('sha256', name)
      ? await cache.store.resolve({ algorithm: 'sha256', hex: name })
      : undefined;
    if (local !== undefined) {
      try {
        for await (const chunk of cache.store.open(name, range)) {
          isStarted = true;
          yield chunk as Buffer;
        }
        return;
      } catch (error) {
        if (isStarted || !isAbsent(error)) throw error;
      }
    }
    if (!isHexDigest('sha256', name)) throw notFoundError(name);
    yield* reads.chunks(name, range);
  }

  /** What the local store knows; a damaged copy is none. */
  async #localInfo(name: string): Promise<BlobInfo | undefined> {
    try {
      return await this.#parts.cache.store.stat(name);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  async #statRemote(name: string): Promise<BlobInfo | undefined> {
    const { objects, reads } = this.#parts;
    const found = await this.#remotely(`look for blob ${name} in`, () => objects.head(blobKey(name)));
    if (!found) return undefined;
    const info = blobInfoOf(name, found);
    if (info) return info;
    // Copied into the bucket by somebody else: its digests are not known yet.
    return (await reads.copy(name)) ? await this.#localInfo(name) : undefined;
  }

  /** A blob that is here: makes sure that it is, or will be with the next flush, in S3 as well, and young. */
  async #use(info: BlobInfo): Promise<string> {
    await this.#committed(info, undefined);
    return info.digests.sha256;
  }

  async #resolveName(name: string): Promise<string | undefined> {
    const { objects, doomed, uploads, clock, useLagMs } = this.#parts;
    return await this.#remotely(`look for blob ${name} in`, async () => {
      const found = await objects.head(blobKey(name));
      if (!found || (await doomed.has(name))) return undefined;
      const storedAt = found.lastModified.getTime();
      const now = clock.now().getTime();
      const isYoung = now - storedAt < useLagMs / 2;
      if (!isYoung) await objects.mark(usedKey(name));
      uploads.saw(name, isYoung ? storedAt : now);
      return name;
    });
  }

  /** A pointer is only a hint: the bytes decide, and they are wanted here anyway. */
  async #resolveSha512(sha512: string): Promise<string | undefined> {
    const { pointers, objects, reads } = this.#parts;
    const name = await this.#remotely('follow a pointer in', () => pointers.follow(sha512));
    if (name === undefined) return undefined;
    const found = await this.#remotely(`look for blob ${name} in`, () => objects.head(blobKey(name)));
    if (!found || found.size > mostChecked) return undefined;
    if (!(await reads.copy(name, (digests) => digests.sha512 === sha512))) return undefined;
    return await this.#resolveName(name);
  }

  async #remove(name: string): Promise<boolean> {
    const { objects, uploads, cache, pointers } = this.#parts;
    const wasPending = uploads.isPending(name);
    await uploads.cancel(name);
    const found = await objects.head(blobKey(name));
    await objects.delete(blobKey(name));
    await objects.delete(usedKey(name));
    uploads.forget(name);
    await pointers.remove(found?.metadata.sha512);
    await cache.store.delete(name);
    return found !== undefined || wasPending;
  }

  /** Marks what nobody used; `compact()` removes it when its time of grace is over. */
  async #doom(name: string, unusedSince: Date): Promise<boolean> {
    const { objects, uploads, cache, doomed, useLagMs, graceMs } = this.#parts;
    if (uploads.isPending(name)) await uploads.flush();
    const found = await objects.head(blobKey(name));
    if (!found) return false;
    const used = await objects.head(usedKey(name));
    const usedAt = Math.max(found.lastModified.getTime(), used?.lastModified.getTime() ?? 0);
    if (usedAt + useLagMs >= unusedSince.getTime()) return false;
    await doomed.mark(name);
    uploads.forget(name);
    await cache.store.delete(name, { unusedSince });
    if (graceMs === 0) await doomed.remove();
    return true;
  }

  async #remotely<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#translate(error, doing);
    }
  }

  #translate(error: unknown, doing: string): BlobStoreError {
    return s3Error(error, doing, this.#parts.place);
  }

  #check(): void {
    if (this.#closing) throw closedError();
  }

  /** Lets {@link close} wait for what was begun before it. */
  async #track<T>(work: () => Promise<T>): Promise<T> {
    this.#check();
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof BlobStoreError && (error.code === 'BLOB_NOT_FOUND' || error.code === 'BLOB_CORRUPT');
}
