import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import type { BlobInfo, BlobStore, BlobWriter, BodyDigests, ByteRange, Logger } from '@waybill/contracts';
import type { Appender } from './appender.js';
import type { BlobLocation } from './blob-index.js';
import { BlobReads } from './blob-reads.js';
import type { Catalog } from './catalog.js';
import type { Compactor } from './compactor.js';
import { BlobStoreError, closedError, storageError, systemCode } from './errors.js';
import type { HashPool } from './hash-pool.js';
import { LargeBody, type LargeBodyResult } from './large-body.js';
import { filePath, isBlobName, type Layout, leaveCleanMark, syncDirectory } from './layout.js';
import type { DirectoryLock } from './lock.js';
import { deletedHeader, type RecordHeader } from './record.js';
import type { SegmentFiles } from './segment-files.js';
import { FileBlobWriter, type WriterHost } from './writer.js';

/** The parts of an open store. */
export interface StoreParts {
  readonly layout: Layout;
  readonly lock: DirectoryLock;
  readonly catalog: Catalog;
  readonly files: SegmentFiles;
  readonly appender: Appender;
  readonly compactor: Compactor;
  readonly hashes: HashPool;
  readonly smallBytes: number;
  readonly logger: Logger;
}

/** Blobs in a directory: small ones packed into segments, large ones in files of their own. */
export class FileBlobStore implements BlobStore, WriterHost {
  readonly #parts: StoreParts;
  readonly #reads: BlobReads;
  readonly #writers = new Set<FileBlobWriter>();
  readonly #streams = new Set<Readable>();
  /** What is being stored or deleted now, by name. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** Fan-out directories that are known to be durable. */
  readonly #fanOut = new Map<string, Promise<void>>();
  readonly #running = new Set<Promise<unknown>>();
  /** Names and files may differ: no clean mark at close. */
  #mustReconcile = false;
  #closing: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#reads = new BlobReads(parts);
  }

  get smallBytes(): number {
    return this.#parts.smallBytes;
  }

  check(): void {
    if (this.#closing) throw closedError();
  }

  create(options: { readonly sizeHint?: number | undefined } = {}): BlobWriter {
    this.check();
    const writer = new FileBlobWriter(this, options.sizeHint);
    this.#writers.add(writer);
    return writer;
  }

  newLargeBody(): LargeBody {
    return new LargeBody(this.#parts.layout.temporary, this.#parts.hashes);
  }

  ended(writer: FileBlobWriter): void {
    this.#writers.delete(writer);
  }

  async storeSmall(digests: BodyDigests, body: Uint8Array): Promise<void> {
    await this.#alone(digests.sha256, async () => {
      if (this.#has(digests.sha256)) return;
      await this.#append({ kind: 'packed', size: body.length, digests }, body);
    });
  }

  async storeLarge(result: LargeBodyResult, size: number): Promise<void> {
    const { digests, handle, path } = result;
    try {
      await this.#alone(digests.sha256, async () => {
        if (!this.#has(digests.sha256)) await this.#publish(result, size);
      });
    } catch (error) {
      throw storageError(error, 'store', path);
    } finally {
      await handle.close();
      await rm(path, { force: true });
    }
  }

  stat(sha256: string): Promise<BlobInfo | undefined> {
    return this.#track(() => this.#reads.stat(sha256));
  }

  open(sha256: string, range?: ByteRange): Readable {
    this.check();
    const stream = Readable.from(this.#reads.chunks(sha256, range), { objectMode: false });
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    return stream;
  }

  flush(): Promise<void> {
    return this.#track(() => this.#parts.appender.flush());
  }

  delete(sha256: string): Promise<void> {
    return this.#track(() => this.#delete(sha256));
  }

  async #delete(sha256: string): Promise<void> {
    if (!isBlobName(sha256)) return;
    await this.#alone(sha256, async () => {
      const location = this.#parts.catalog.index.get(sha256);
      if (!location) return;
      this.#parts.catalog.forget(sha256);
      this.#reads.damaged.delete(sha256);
      if (location.place === 'file') await this.#removeFile(sha256);
      else await this.#takeBack(sha256, location);
    });
  }

  /** The file goes first: on a full disk that makes the room for the record. */
  async #removeFile(name: string): Promise<void> {
    const path = filePath(this.#parts.layout, name);
    try {
      await rm(path, { force: true });
      await this.#parts.appender.append({ header: deletedHeader(name) });
    } catch (error) {
      // The next open compares files and names, and forgets this one.
      this.#mustReconcile = true;
      throw storageError(error, 'delete', path);
    }
  }

  async #takeBack(name: string, location: BlobLocation): Promise<void> {
    try {
      await this.#parts.appender.append({ header: deletedHeader(name) });
    } catch (error) {
      this.#parts.catalog.place(name, location);
      throw error;
    }
  }

  compact(): Promise<number> {
    return this.#track(() => this.#parts.compactor.compact());
  }

  async *list(): AsyncGenerator<string> {
    this.check();
    let count = 0;
    for (const name of this.#parts.catalog.index.names()) {
      yield name;
      // A consumer that never waits must not hold the event loop.
      if (++count % 1024 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  exportTo(sha256: string, path: string): Promise<void> {
    return this.#track(() => this.#reads.exportTo(sha256, path));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { appender, files, hashes, layout, lock } = this.#parts;
    // #closing is set by the caller once this function waits for the first time; nothing new starts after that.
    await undefined;
    try {
      await Promise.all([...this.#writers].map((writer) => writer.abandon(closedError())));
      for (const stream of this.#streams) stream.destroy(closedError());
      await Promise.allSettled([...this.#busy.values(), ...this.#running]);
      await appender.close();
      if (!lock.lost && !this.#mustReconcile) {
        await leaveCleanMark(layout);
        await syncDirectory(layout.dir);
      }
    } catch (error) {
      throw storageError(error, 'close', layout.dir);
    } finally {
      await files.close();
      await hashes.close();
      await lock.release();
    }
  }

  #has(name: string): boolean {
    return !this.#reads.damaged.has(name) && this.#parts.catalog.index.get(name) !== undefined;
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

  /** Work on one name happens one after the other. */
  async #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(name);
    const mine = before ? before.then(work, work) : work();
    this.#busy.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#busy.get(name) === mine) this.#busy.delete(name);
    }
  }

  async #append(header: RecordHeader, body?: Uint8Array): Promise<void> {
    await this.#parts.appender.append({
      header,
      body,
      placed: (location) => {
        this.#parts.catalog.place(header.digests.sha256, location);
        this.#reads.damaged.delete(header.digests.sha256);
      },
    });
  }

  /** Makes the bytes durable before they get their name, and the name durable before the record says so. */
  async #publish({ path, handle, digests }: LargeBodyResult, size: number): Promise<void> {
    const { layout } = this.#parts;
    if (this.#parts.lock.lost) throw lockLostError(layout);
    const target = filePath(layout, digests.sha256);
    await handle.sync();
    try {
      await this.#prepareFanOut(dirname(target));
      await rename(path, target);
    } catch (error) {
      // Somebody who tidies up may have removed an empty directory.
      if (systemCode(error) !== 'ENOENT' || !this.#fanOut.delete(dirname(target))) throw error;
      await this.#prepareFanOut(dirname(target));
      await rename(path, target);
    }
    await syncDirectory(dirname(target));
    await this.#append({ kind: 'file', size, digests });
  }

  /** Also for a directory that is there: whoever made it may have been killed before its name was durable. */
  async #prepareFanOut(path: string): Promise<void> {
    const known = this.#fanOut.get(path);
    if (known) return await known;
    const made = mkdir(path, { recursive: true, mode: 0o700 }).then(() => syncDirectory(this.#parts.layout.files));
    this.#fanOut.set(path, made);
    made.catch(() => this.#fanOut.delete(path));
    await made;
  }
}

export function lockLostError(layout: Layout): BlobStoreError {
  return new BlobStoreError('BLOB_STORAGE_FAILED', `another process took over the blob directory ${layout.dir}`, {
    hint: 'this process was stopped for so long that it was taken for dead: restart it',
  });
}
