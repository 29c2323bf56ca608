import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Logger } from '@waybill/contracts';
import { BlobStoreError, storageError, systemCode } from '../errors.js';
import { Appender } from './appender.js';
import type { TakenBlob } from './blob-index.js';
import { BlobReads } from './blob-reads.js';
import { Catalog } from './catalog.js';
import { Compactor } from './compactor.js';
import type { HashPool } from './hash-pool.js';
import type { LargeBodyResult } from './large-body.js';
import {
  asidePath,
  checkFormat,
  clearTemporary,
  filePath,
  isBlobName,
  type Layout,
  leaveCleanMark,
  prepareDirectories,
  syncDirectory,
  takeCleanMark,
} from './layout.js';
import { type DirectoryLock, lockDirectory } from './lock.js';
import { deletedHeader, type RecordHeader } from './record.js';
import { loadSegments, reconcileFiles } from './recovery.js';
import { SegmentFiles } from './segment-files.js';
import type { SegmentEntry } from './segment-index.js';

/** What opening a slot needs. */
export interface OwnSlotOptions {
  readonly layout: Layout;
  readonly segmentBytes: number;
  readonly hashes: HashPool;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How the lock is taken, see {@link lockDirectory}. */
  readonly locking?: Parameters<typeof lockDirectory>[1];
}

/**
 * The slot that this process alone writes.
 * @throws BlobStoreError BLOB_LOCKED, BLOB_STORAGE_FAILED, BLOB_STORAGE_FULL
 */
export async function openOwnSlot(options: OwnSlotOptions): Promise<OwnSlot> {
  const { layout, segmentBytes, hashes, clock, logger } = options;
  await prepareDirectories(layout);
  const lock = await lockDirectory(layout.lock, options.locking);
  const files = new SegmentFiles(layout.packs);
  const notes: SegmentEntry[] = [];
  const catalog = new Catalog();
  const guard = () => {
    if (lock.lost) throw lockLostError(layout);
  };
  const appender = new Appender({ files, catalog, segmentBytes, guard });
  try {
    await checkFormat(layout);
    const wasClean = await takeCleanMark(layout);
    await clearTemporary(layout);
    const context = { layout, catalog, files, appender, hashes, logger, notes };
    await loadSegments(context, segmentBytes);
    if (!wasClean) await reconcileFiles(context);
    await appender.flush();
    const compactor = new Compactor({ catalog, files, appender, clock, logger });
    const reads = new BlobReads({ layout, catalog, files, hashes, logger });
    return new OwnSlot({ layout, lock, catalog, files, appender, compactor, reads, notes });
  } catch (error) {
    await appender.close().catch(() => undefined);
    await files.close();
    await lock.release();
    throw error;
  }
}

/** The parts of an open slot. */
export interface OwnSlotParts {
  readonly layout: Layout;
  readonly lock: DirectoryLock;
  readonly catalog: Catalog;
  readonly files: SegmentFiles;
  readonly appender: Appender;
  readonly compactor: Compactor;
  readonly reads: BlobReads;
  /** What its records say of blobs in other slots. */
  readonly notes: readonly SegmentEntry[];
}

/** How a blob is removed unless somebody wants it. */
export interface Removal {
  /** Tells all others, durably enough to be read by them. */
  show(): Promise<void>;
  /** Looks at what all others said up to the call. */
  isWanted(): Promise<boolean>;
}

/** A slot held by this process. Work on one name must not overlap. */
export class OwnSlot {
  readonly layout: Layout;
  readonly catalog: Catalog;
  readonly appender: Appender;
  readonly compactor: Compactor;
  readonly reads: BlobReads;
  readonly notes: readonly SegmentEntry[];
  readonly #lock: DirectoryLock;
  readonly #files: SegmentFiles;
  /** Fan-out directories that are known to be durable. */
  readonly #fanOut = new Map<string, Promise<void>>();
  /** Names and files may differ: no clean mark at close. */
  #mustReconcile = false;

  constructor(parts: OwnSlotParts) {
    this.layout = parts.layout;
    this.catalog = parts.catalog;
    this.appender = parts.appender;
    this.compactor = parts.compactor;
    this.reads = parts.reads;
    this.notes = parts.notes;
    this.#lock = parts.lock;
    this.#files = parts.files;
  }

  /** Whether the blob is here and not known to be damaged. */
  has(name: string): boolean {
    return isBlobName(name) && !this.reads.damaged.has(name) && this.catalog.index.get(name) !== undefined;
  }

  append(header: RecordHeader, body?: Uint8Array): Promise<void> {
    return this.appender.append({
      header,
      body,
      placed: (segment, entry) => {
        this.catalog.apply(segment, entry);
        if (entry.kind === 'packed' || entry.kind === 'file') this.reads.damaged.delete(entry.sha256);
      },
    });
  }

  /** Makes the bytes durable before they get their name, and the name durable before the record says so. */
  async publish({ path, handle, digests }: LargeBodyResult, size: number, usedAt: number): Promise<void> {
    if (this.#lock.lost) throw lockLostError(this.layout);
    await handle.sync();
    await this.#giveName(path, digests.sha256);
    await this.append({ kind: 'file', size, digests, usedAt });
  }

  /** Removes a blob that is here. */
  async remove(name: string): Promise<void> {
    const { taken, place } = this.#take(name);
    if (place === 'file') return await this.#removeFile(name);
    await this.#takeBack(name, taken);
  }

  /**
   * Removes a blob that is here unless somebody wants it. Others who use it say so first and then look whether somebody is
   * about to remove it; here that is shown first and then looked who wants it: at least one of both notices the other.
   * @returns whether it is gone
   */
  async removeUnless(name: string, { show, isWanted }: Removal): Promise<boolean> {
    if (this.catalog.index.get(name)?.place === 'file') return await this.#removeFileUnless(name, isWanted);
    await show();
    if (await isWanted()) return false;
    await this.remove(name);
    return true;
  }

  /** @throws BlobStoreError when something could not be made durable */
  async close(): Promise<void> {
    try {
      await this.appender.close();
      if (!this.#lock.lost && !this.#mustReconcile) {
        await leaveCleanMark(this.layout);
        await syncDirectory(this.layout.dir);
      }
    } catch (error) {
      throw storageError(error, 'close', this.layout.dir);
    } finally {
      await this.#files.close();
      await this.#lock.release();
    }
  }

  #take(name: string) {
    const taken = this.catalog.forget(name) as TakenBlob;
    this.reads.damaged.delete(name);
    return { taken, place: taken.location.place };
  }

  /** The file goes first: on a full disk that makes the room for the record. */
  async #removeFile(name: string): Promise<void> {
    const path = filePath(this.layout, name);
    try {
      await rm(path, { force: true });
      await this.append(deletedHeader(name));
    } catch (error) {
      // The next open compares files and names, and forgets this one.
      this.#mustReconcile = true;
      throw storageError(error, 'delete', path);
    }
  }

  /** Moving the file away needs no room on a full disk, and shows all others that it is about to go. */
  async #removeFileUnless(name: string, isWanted: () => Promise<boolean>): Promise<boolean> {
    const path = filePath(this.layout, name);
    const aside = asidePath(this.layout, name);
    const { taken } = this.#take(name);
    try {
      const isThere = await movedTo(aside, path);
      if (isThere && (await isWanted())) {
        await rename(aside, path);
        this.catalog.remember(name, taken);
        return false;
      }
      await rm(aside, { force: true });
      await this.append(deletedHeader(name));
      return true;
    } catch (error) {
      this.#mustReconcile = true;
      throw storageError(error, 'delete', path);
    }
  }

  async #takeBack(name: string, taken: TakenBlob): Promise<void> {
    try {
      await this.append(deletedHeader(name));
    } catch (error) {
      this.catalog.remember(name, taken);
      throw error;
    }
  }

  async #giveName(path: string, name: string): Promise<void> {
    const target = filePath(this.layout, name);
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
  }

  /** Also for a directory that is there: whoever made it may have been killed before its name was durable. */
  async #prepareFanOut(path: string): Promise<void> {
    const known = this.#fanOut.get(path);
    if (known) return await known;
    const made = mkdir(path, { recursive: true, mode: 0o700 }).then(() => syncDirectory(this.layout.files));
    this.#fanOut.set(path, made);
    made.catch(() => this.#fanOut.delete(path));
    await made;
  }
}

function lockLostError(layout: Layout): BlobStoreError {
  return new BlobStoreError('BLOB_STORAGE_FAILED', `another process took over the blob directory ${layout.dir}`, {
    hint: 'this process was stopped for so long that it was taken for dead: restart it',
  });
}

/** Whether there was something to move. */
async function movedTo(target: string, path: string): Promise<boolean> {
  try {
    await rename(path, target);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
