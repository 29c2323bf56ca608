import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { type BlobStore, type Logger, silentLogger } from '@waybill/contracts';
import { Appender } from './appender.js';
import { Catalog } from './catalog.js';
import { Compactor } from './compactor.js';
import { BlobStoreError } from './errors.js';
import { FileBlobStore, lockLostError } from './file-blob-store.js';
import { HashPool } from './hash-pool.js';
import { checkFormat, clearTemporary, layoutOf, prepareDirectories, takeCleanMark } from './layout.js';
import { type DirectoryLock, lockDirectory } from './lock.js';
import { checkDirectory, loadSegments, reconcileFiles } from './recovery.js';
import { SegmentFiles } from './segment-files.js';

/** Where and how blobs are kept. */
export interface FileBlobStoreOptions {
  /** Made when missing (0700). One store at a time uses it. */
  readonly dir: string;
  /** Bodies up to this many bytes are packed into segments; larger ones get a file each. Default 256 KiB. */
  readonly smallBytes?: number;
  /** A segment is closed when it would grow beyond this many bytes. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Threads that hash large bodies, started when needed. Default: one less than the machine has, at most 4. */
  readonly hashThreads?: number;
  /** Hears of damage and repairs. */
  readonly logger?: Logger;
}

const mebibyte = 1024 * 1024;

/**
 * Opens a directory of blobs, repairing what a crash left: temporary files are removed, torn segment tails cut off, the
 * index rebuilt.
 * @throws BlobStoreError BLOB_LOCKED when another store uses the directory, BLOB_STORAGE_FAILED, BLOB_STORAGE_FULL
 */
export async function createFileBlobStore(options: FileBlobStoreOptions): Promise<BlobStore> {
  const layout = layoutOf(resolve(options.dir));
  const smallBytes = inRange('smallBytes', options.smallBytes ?? 256 * 1024, 0, 16 * mebibyte);
  const segmentBytes = inRange('segmentBytes', options.segmentBytes ?? 64 * mebibyte, 1, 1024 * mebibyte);
  const threads = inRange('hashThreads', options.hashThreads ?? defaultThreads(), 1, 64);
  const logger = options.logger ?? silentLogger;
  await checkDirectory(layout.dir);
  await prepareDirectories(layout);
  const lock = await lockDirectory(layout.lock);
  const hashes = new HashPool(threads);
  const files = new SegmentFiles(layout.packs);
  const catalog = new Catalog();
  const appender = new Appender({ files, catalog, segmentBytes, guard: () => assertHeld(lock, layout) });
  try {
    await checkFormat(layout);
    const wasClean = await takeCleanMark(layout);
    await clearTemporary(layout);
    const context = { layout, catalog, files, appender, hashes, logger };
    await loadSegments(context, segmentBytes);
    if (!wasClean) await reconcileFiles(context);
    await appender.flush();
    const compactor = new Compactor({ catalog, files, appender, logger });
    return new FileBlobStore({ layout, lock, catalog, files, appender, compactor, hashes, smallBytes, logger });
  } catch (error) {
    await appender.close().catch(() => undefined);
    await files.close();
    await hashes.close();
    await lock.release();
    throw error;
  }
}

function assertHeld(lock: DirectoryLock, layout: ReturnType<typeof layoutOf>): void {
  if (lock.lost) throw lockLostError(layout);
}

function defaultThreads(): number {
  return Math.max(1, Math.min(4, availableParallelism() - 1));
}

function inRange(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new BlobStoreError('BLOB_STORAGE_FAILED', `${name} is ${value}, wanted an integer from ${least} to ${most}`);
  }
  return value;
}
