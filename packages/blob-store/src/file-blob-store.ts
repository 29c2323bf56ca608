import { copyFile, constants as fsConstants, link, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import type { BlobInfo, BlobStore, BlobWriter, BodyDigests, ByteRange, Logger } from '@waybill/contracts';
import type { Appender } from './appender.js';
import type { BlobLocation } from './blob-index.js';
import type { Catalog, Segment } from './catalog.js';
import type { Compactor } from './compactor.js';
import { BlobStoreError, closedError, corruptError, notFoundError, storageError, systemCode } from './errors.js';
import type { HashPool } from './hash-pool.js';
import { LargeBody, type LargeBodyResult } from './large-body.js';
import { filePath, isBlobName, type Layout, leaveCleanMark, syncDirectory } from './layout.js';
import type { DirectoryLock } from './lock.js';
import { readFileBlob, spanOf } from './reader.js';
import { decodeHeader, deletedHeader, hashBody, headerBytes, type RecordHeader } from './record.js';
import type { SegmentFiles } from './segment-files.js';
import { FileBlobWriter, type WriterHost } from './writer.js';

/** Damaged names remembered for repair. */
const damagedNames = 10_000;

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
  readonly #writers = new Set<FileBlobWriter>();
  readonly #streams = new Set<Readable>();
  /** What is being stored or deleted now, by name. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** Names whose bytes were found damaged: the same bytes are stored anew when they come again. */
  readonly #damaged = new Set<string>();
  readonly #running = new Set<Promise<unknown>>();
  /** Names and files may differ: no clean mark at close. */
  #mustReconcile = false;
  #closing: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    this.#parts = parts;
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
    return this.#track(() => this.#stat(sha256));
  }

  async #stat(sha256: string): Promise<BlobInfo | undefined> {
    const location = this.#locate(sha256);
    if (!location) return undefined;
    const bytes = await this.#readRecord(sha256, location, headerBytes);
    if (!bytes) return await this.#stat(sha256);
    const header = decodeHeader(bytes);
    if (header?.digests.sha256 !== sha256) throw this.#damage(sha256, 'its record is unreadable');
    return { digests: header.digests, size: header.size };
  }

  open(sha256: string, range?: ByteRange): Readable {
    this.check();
    const stream = Readable.from(this.#chunks(sha256, range), { objectMode: false });
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
      const location = this.#locate(sha256);
      if (!location) return;
      this.#parts.catalog.forget(sha256);
      this.#damaged.delete(sha256);
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
    return this.#track(() => this.#exportTo(sha256, path));
  }

  async #exportTo(sha256: string, path: string): Promise<void> {
    const location = this.#locate(sha256);
    if (!location) throw notFoundError(sha256);
    const temporary = `${path}.${process.pid}.part`;
    try {
      if (location.place === 'file') await linkOrCopy(filePath(this.#parts.layout, sha256), temporary);
      else await writeFile(temporary, await this.#readPacked(sha256, location), { mode: 0o600, flag: 'wx' });
      await rename(temporary, path);
    } catch (error) {
      throw storageError(error, `export blob ${sha256} to`, path);
    } finally {
      // Renaming a link onto another link of the same file leaves both. rename(2)
      await rm(temporary, { force: true });
    }
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

  #locate(name: string): BlobLocation | undefined {
    return isBlobName(name) ? this.#parts.catalog.index.get(name) : undefined;
  }

  #has(name: string): boolean {
    return !this.#damaged.has(name) && this.#parts.catalog.index.get(name) !== undefined;
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
        this.#damaged.delete(header.digests.sha256);
      },
    });
  }

  /** Makes the bytes durable before they get their name, and the name durable before the record says so. */
  async #publish({ path, handle, digests }: LargeBodyResult, size: number): Promise<void> {
    const { layout } = this.#parts;
    if (this.#parts.lock.lost) throw lockLostError(layout);
    const target = filePath(layout, digests.sha256);
    await handle.sync();
    if (await mkdir(dirname(target), { recursive: true, mode: 0o700 })) await syncDirectory(layout.files);
    await rename(path, target);
    await syncDirectory(dirname(target));
    await this.#append({ kind: 'file', size, digests });
  }

  async *#chunks(name: string, range: ByteRange | undefined): AsyncGenerator<Buffer> {
    const location = this.#locate(name);
    if (!location) throw notFoundError(name);
    try {
      if (location.place === 'packed') {
        const span = spanOf(range, location.size);
        yield (await this.#readPacked(name, location)).subarray(span.start, span.end);
      } else {
        const { layout, hashes } = this.#parts;
        yield* readFileBlob({ path: filePath(layout, name), name, size: location.size, range, hashes });
      }
    } catch (error) {
      throw this.#judge(name, error);
    }
  }

  /** The whole body, verified. */
  async #readPacked(name: string, location: BlobLocation): Promise<Buffer> {
    const bytes = await this.#readRecord(name, location, headerBytes + location.size);
    if (!bytes) {
      const moved = this.#locate(name);
      if (!moved) throw notFoundError(name);
      return await this.#readPacked(name, moved);
    }
    const body = bytes.subarray(headerBytes);
    if (body.length !== location.size) throw this.#damage(name, `its segment ends after ${body.length} bytes of it`);
    const found = hashBody(body).sha256;
    if (found !== name) throw this.#damage(name, `its bytes hash to ${found}`);
    return body;
  }

  /** undefined when compaction moved the record meanwhile. */
  async #readRecord(name: string, location: BlobLocation, length: number): Promise<Buffer | undefined> {
    const segment = this.#parts.catalog.segments.get(location.segment);
    try {
      if (segment) return await this.#parts.files.read(segment, location.offset, length);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw storageError(error, 'read', this.#parts.files.path(segment as Segment));
    }
    const now = this.#locate(name);
    if (now && now.segment === location.segment && now.offset === location.offset) {
      throw this.#damage(name, 'its segment is missing');
    }
    return undefined;
  }

  /** What a failed read of a file says about the blob. */
  #judge(name: string, error: unknown): unknown {
    if (!(error instanceof BlobStoreError)) return error;
    if (error.code === 'BLOB_NOT_FOUND' && this.#locate(name)) return this.#damage(name, 'its file is missing');
    if (error.code === 'BLOB_CORRUPT') this.#remember(name);
    return error;
  }

  #damage(name: string, found: string): BlobStoreError {
    this.#remember(name);
    return corruptError(name, found);
  }

  #remember(name: string): void {
    if (this.#damaged.has(name) || this.#damaged.size >= damagedNames) return;
    this.#damaged.add(name);
    this.#parts.logger.error({ blob: name }, 'blob damaged on disk');
  }
}

export function lockLostError(layout: Layout): BlobStoreError {
  return new BlobStoreError('BLOB_STORAGE_FAILED', `another process took over the blob directory ${layout.dir}`, {
    hint: 'this process was stopped for so long that it was taken for dead: restart it',
  });
}

/** A hard link where the file system allows one, else a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error;
    await copyFile(from, to, fsConstants.COPYFILE_EXCL | fsConstants.COPYFILE_FICLONE);
  }
}
