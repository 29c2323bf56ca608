import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type {
  BlobEntry,
  BlobExport,
  BlobInfo,
  BlobStore,
  BlobUsage,
  BlobWriter,
  BlobWriterOptions,
  BodyDigests,
  ByteRange,
  Digest,
  Logger,
} from '@waybill/contracts';
import { BlobStoreError, closedError, notFoundError, storageError } from '../errors.js';
import type { PerName } from '../per-name.js';
import type { BlobReads } from './blob-reads.js';
import type { ExportOrder, ExportThread } from './export-thread.js';
import type { ForeignSlots } from './foreign-slots.js';
import type { HashPool } from './hash-pool.js';
import { LargeBody, type LargeBodyResult } from './large-body.js';
import { isBlobName } from './layout.js';
import type { OrphanOptions } from './orphans.js';
import { sweepOrphan } from './orphans.js';
import type { OwnSlot } from './own-slot.js';
import type { Sharing } from './sharing.js';
import { FileBlobWriter, type WriterHost } from './writer.js';

/** So few files are not worth a thread. */
const fewExports = 32;
const parallelExports = 8;

/** The parts of an open store. */
export interface StoreParts {
  readonly own: OwnSlot;
  readonly foreign: ForeignSlots;
  readonly sharing: Sharing;
  readonly perName: PerName;
  readonly hashes: HashPool;
  readonly exports: ExportThread;
  readonly smallBytes: number;
  readonly lookEveryMs: number;
  readonly orphanOptions: OrphanOptions;
  readonly logger: Logger;
}

/**
 * Blobs in a directory: small ones packed into segments, large ones in files of their own. This process writes one slot and
 * reads those of others as well.
 */
export class FileBlobStore implements BlobStore, WriterHost {
  readonly #parts: StoreParts;
  readonly #writers = new Set<FileBlobWriter>();
  readonly #streams = new Set<Readable>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #look: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#look = setInterval(() => {
      this.#track(async () => await parts.foreign.refresh()).catch((error) => {
        parts.logger.error({ error: String(error) }, 'cannot read what other processes wrote to the blob directory');
      });
    }, parts.lookEveryMs);
    this.#look.unref();
  }

  get smallBytes(): number {
    return this.#parts.smallBytes;
  }

  check(): void {
    if (this.#closing) throw closedError();
  }

  create(options: BlobWriterOptions = {}): BlobWriter {
    this.check();
    const writer = new FileBlobWriter(this, options);
    this.#writers.add(writer);
    return writer;
  }

  newLargeBody(options: { readonly sha512: boolean }): LargeBody {
    return new LargeBody(this.#parts.own.layout.temporary, this.#parts.hashes, options);
  }

  ended(writer: FileBlobWriter): void {
    this.#writers.delete(writer);
  }

  async storeSmall(digests: BodyDigests, body: Uint8Array): Promise<void> {
    const { own, sharing, perName } = this.#parts;
    await perName.run(digests.sha256, async () => {
      if (own.has(digests.sha256)) return await sharing.keep(digests.sha256);
      return await own.append({ kind: 'packed', size: body.length, digests, usedAt: sharing.now() }, body);
    });
  }

  async storeLarge(result: LargeBodyResult, size: number): Promise<void> {
    const { own, sharing, perName } = this.#parts;
    const { digests, handle, path } = result;
    try {
      await perName.run(digests.sha256, async () => {
        if (own.has(digests.sha256)) await this.#keepLarge(digests);
        else await own.publish(result, size, sharing.now());
      });
    } catch (error) {
      throw storageError(error, 'store', path);
    } finally {
      await handle.close();
      await rm(path, { force: true });
    }
  }

  stat(sha256: string): Promise<BlobInfo | undefined> {
    return this.#track(async () => {
      const { own, foreign } = this.#parts;
      let known = own.has(sha256) ? await own.reads.stat(sha256) : undefined;
      if (known?.digests.sha512 !== undefined || (foreign.count === 0 && !foreign.refresh())) return known;
      for await (const reads of this.#holders(sha256)) {
        const info = await reads.stat(sha256);
        if (info?.digests.sha512 !== undefined) return info;
        known ??= info;
      }
      return known;
    });
  }

  resolve(digest: Digest): Promise<string | undefined> {
    return this.#track(async () => {
      const { own, foreign, sharing } = this.#parts;
      const name = await own.reads.resolve(digest);
      if (name !== undefined) {
        await sharing.noteUse(name);
        if (own.has(name)) return name;
      }
      const known = await this.#resolveElsewhere(digest);
      if (known !== undefined) return known;
      const news = foreign.refresh();
      if (!news) return undefined;
      await news;
      return await this.#resolveElsewhere(digest);
    });
  }

  open(sha256: string, range?: ByteRange): Readable {
    this.check();
    const { own, foreign } = this.#parts;
    const isAlone = foreign.count === 0 && own.has(sha256);
    const chunks = isAlone ? own.reads.chunks(sha256, range) : this.#chunks(sha256, range);
    const stream = Readable.from(chunks, { objectMode: false });
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    return stream;
  }

  flush(): Promise<void> {
    return this.#track(async () => {
      await Promise.all([this.#parts.own.appender.flush(), this.#parts.sharing.flush()]);
    });
  }

  delete(sha256: string, { unusedSince }: { readonly unusedSince?: Date | undefined } = {}): Promise<boolean> {
    return this.#track(async () => {
      const { sharing, perName } = this.#parts;
      if (!isBlobName(sha256)) return false;
      return await perName.run(sha256, () => sharing.remove(sha256, unusedSince?.getTime() ?? 0));
    });
  }

  compact(): Promise<number> {
    return this.#track(async () => {
      const { own, foreign, orphanOptions } = this.#parts;
      const freed = await own.compactor.compact();
      if (freed > 0) return freed;
      await foreign.refresh();
      for (const slot of foreign.all()) {
        const swept = await sweepOrphan(slot, orphanOptions);
        if (swept > 0) return swept;
      }
      return 0;
    });
  }

  async *list(): AsyncGenerator<string> {
    for await (const { sha256 } of this.entries()) yield sha256;
  }

  async *entries(): AsyncGenerator<BlobEntry> {
    this.check();
    const { own, foreign } = this.#parts;
    await foreign.refresh();
    let count = 0;
    const before: { readonly catalog: OwnSlot['catalog'] }[] = [];
    for (const slot of [own, ...foreign.all()]) {
      const { index } = slot.catalog;
      for (const sha256 of index.names()) {
        const location = index.get(sha256);
        const isNew = location && !before.some(({ catalog }) => catalog.index.get(sha256));
        if (isNew) yield { sha256, size: location.size, usedAt: new Date(location.usedAt * 1000) };
        // A consumer that never waits must not hold the event loop.
        if (++count % 1024 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      before.push(slot);
    }
  }

  async usage(): Promise<BlobUsage> {
    this.check();
    const { own, foreign } = this.#parts;
    let bytes = 0;
    let count = 0;
    for (const { catalog } of [own, ...foreign.all()]) {
      bytes += catalog.index.bytes;
      count += catalog.index.size;
    }
    return { bytes, count };
  }

  exportTo(sha256: string, path: string): Promise<void> {
    return this.#track(() => this.#fromHolder(sha256, (reads) => reads.exportTo(sha256, path)));
  }

  exportMany(files: readonly BlobExport[]): Promise<void> {
    return this.#track(async () => {
      const left = files.length < fewExports ? files : await this.#exportInThread(files);
      for (let at = 0; at < left.length; at += parallelExports) {
        const some = left.slice(at, at + parallelExports);
        await Promise.all(
          some.map(({ sha256, path }) => this.#fromHolder(sha256, (reads) => reads.exportTo(sha256, path))),
        );
      }
    });
  }

  /** @returns what has to be looked for: blobs that moved meanwhile, are damaged or in the way of something */
  async #exportInThread(files: readonly BlobExport[]): Promise<readonly BlobExport[]> {
    const { own, foreign, exports } = this.#parts;
    await foreign.refresh();
    const left: BlobExport[] = [];
    const [sent, orders]: [BlobExport[], ExportOrder[]] = [[], []];
    for (const file of files) {
      const { sha256: name, path: to } = file;
      const place = own.reads.place(name) ?? foreign.holding(name)[0]?.reads.place(name);
      if (place) orders.push({ name, to, ...place });
      (place ? sent : left).push(file);
    }
    for (const at of await exports.run(orders)) left.push(sent[at] as BlobExport);
    return left;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { own, foreign, sharing, perName, hashes, exports } = this.#parts;
    clearInterval(this.#look);
    // #closing is set by the caller once this function waits for the first time; nothing new starts after that.
    await undefined;
    try {
      await Promise.all([...this.#writers].map((writer) => writer.abandon(closedError())));
      for (const stream of this.#streams) stream.destroy(closedError());
      await Promise.allSettled([perName.settled(), ...this.#running]);
      await foreign.close();
      await sharing.close();
    } finally {
      try {
        await own.close();
      } finally {
        await Promise.all([hashes.close(), exports.close()]);
      }
    }
  }

  /** Who has the blob: this process first; others are asked for news only when nobody is known to have it intact. */
  async *#holders(name: string): AsyncGenerator<BlobReads> {
    const { own, foreign } = this.#parts;
    const tried = new Set<BlobReads>();
    function* untried(isDamagedToo: boolean): Generator<BlobReads> {
      for (const { reads } of [...(own.catalog.index.get(name) ? [own] : []), ...foreign.holding(name)]) {
        if (tried.has(reads) || (!isDamagedToo && reads.damaged.has(name))) continue;
        tried.add(reads);
        yield reads;
      }
    }
    yield* untried(false);
    if (!isBlobName(name)) return;
    await foreign.refresh();
    yield* untried(false);
    yield* untried(true);
  }

  async *#chunks(name: string, range: ByteRange | undefined): AsyncGenerator<Buffer> {
    let failure: BlobStoreError | undefined;
    for await (const reads of this.#holders(name)) {
      let isStarted = false;
      try {
        for await (const chunk of reads.chunks(name, range)) {
          isStarted = true;
          yield chunk;
        }
        return;
      } catch (error) {
        if (isStarted || !isAnotherWorthTrying(error)) throw error;
        failure ??= error;
      }
    }
    throw failure ?? notFoundError(name);
  }

  async #fromHolder<T>(name: string, work: (reads: BlobReads) => Promise<T>): Promise<T> {
    let failure: BlobStoreError | undefined;
    for await (const reads of this.#holders(name)) {
      try {
        return await work(reads);
      } catch (error) {
        if (!isAnotherWorthTrying(error)) throw error;
        failure ??= error;
      }
    }
    throw failure ?? notFoundError(name);
  }

  async #resolveElsewhere(digest: Digest): Promise<string | undefined> {
    const { foreign, sharing } = this.#parts;
    for (const slot of foreign.all()) {
      const name = await slot.reads.resolve(digest);
      if (name !== undefined && (await sharing.claim(name))) return name;
    }
    return undefined;
  }

  /** The same bytes came again, perhaps with a digest that is not known of them yet. */
  async #keepLarge(digests: BodyDigests): Promise<void> {
    const { own, sharing } = this.#parts;
    await sharing.keep(digests.sha256);
    const known = await own.reads.stat(digests.sha256);
    if (!known || digests.sha512 === undefined || known.digests.sha512 !== undefined) return;
    await own.append({ kind: 'file', size: known.size, digests, usedAt: sharing.now() });
  }

  /** Lets {@link close} wait for what was begun before it. */
  async #track<T>(work: () => Promise<T>): Promise<T> {
    this.check();
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }
}

function isAnotherWorthTrying(error: unknown): error is BlobStoreError {
  return error instanceof BlobStoreError && (error.code === 'BLOB_NOT_FOUND' || error.code === 'BLOB_CORRUPT');
}
