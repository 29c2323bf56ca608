import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { type BlobStore, type Clock, type Logger, silentLogger, systemClock } from '@waybill/contracts';
import { BlobStoreError } from '../errors.js';
import { PerName } from '../per-name.js';
import { ExportThread } from './export-thread.js';
import { FileBlobStore } from './file-blob-store.js';
import type { Note } from './foreign-slot.js';
import { ForeignSlots } from './foreign-slots.js';
import { HashPool } from './hash-pool.js';
import { layoutOf } from './layout.js';
import { type OwnSlot, type OwnSlotOptions, openOwnSlot } from './own-slot.js';
import { checkDirectory } from './recovery.js';
import { Sharing } from './sharing.js';

/** Where and how blobs are kept. */
export interface FileBlobStoreOptions {
  /** Made when missing (0700). Local to the machine. */
  readonly dir: string;
  /**
   * Which part of the directory this process writes; it reads all of them. Each process needs one of its own: a number, or
   * `auto` for the first that is free. Default 0, the only one that a single process uses.
   */
  readonly slot?: number | 'auto';
  /** Bodies up to this many bytes are packed into segments; larger ones get a file each. Default 256 KiB. */
  readonly smallBytes?: number;
  /** A segment is closed when it would grow beyond this many bytes. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Threads that hash large bodies, started when needed. Default: one less than the machine has, at most 4. */
  readonly hashThreads?: number;
  /** How often to look what other processes ask for, beside when there is a reason. Milliseconds, default 1 000. */
  readonly lookEveryMs?: number;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Hears of damage and repairs. */
  readonly logger?: Logger;
}

const mebibyte = 1024 * 1024;
const mostSlots = 1024;

/**
 * Opens a directory of blobs, repairing what a crash left: temporary files are removed, torn segment tails cut off, the
 * index rebuilt. Several processes of a machine may share a directory, each with a slot of its own.
 * @throws BlobStoreError BLOB_LOCKED when another store uses the slot, BLOB_STORAGE_FAILED, BLOB_STORAGE_FULL
 */
export async function createFileBlobStore(options: FileBlobStoreOptions): Promise<BlobStore> {
  const root = resolve(options.dir);
  const smallBytes = inRange('smallBytes', options.smallBytes ?? 256 * 1024, 0, 16 * mebibyte);
  const segmentBytes = inRange('segmentBytes', options.segmentBytes ?? 64 * mebibyte, 1, 1024 * mebibyte);
  const threads = inRange('hashThreads', options.hashThreads ?? defaultThreads(), 1, 64);
  const slot = options.slot === 'auto' ? 'auto' : inRange('slot', options.slot ?? 0, 0, mostSlots - 1);
  const lookEveryMs = inRange('lookEveryMs', options.lookEveryMs ?? 1_000, 1, 60_000);
  const logger = options.logger ?? silentLogger;
  const clock = options.clock ?? systemClock;
  await checkDirectory(root);
  const hashes = new HashPool(threads);
  const shared = { segmentBytes, hashes, clock, logger };
  try {
    const own =
      slot === 'auto'
        ? await openFreeSlot(root, shared)
        : await openOwnSlot({ ...shared, layout: layoutOf(root, slot) });
    const perName = new PerName();
    const early: Note[] = [];
    let hear = (notes: readonly Note[]): void => {
      early.push(...notes);
    };
    const foreign = new ForeignSlots({ root, own: own.layout.slot, hashes, logger, onNotes: (notes) => hear(notes) });
    const sharing = new Sharing({ own, foreign, perName, clock, logger });
    try {
      await foreign.refresh();
    } catch (error) {
      await foreign.close();
      await own.close();
      throw error;
    }
    hear = (notes) => sharing.hear(notes);
    const store = new FileBlobStore({
      own,
      foreign,
      sharing,
      perName,
      hashes,
      exports: new ExportThread(),
      smallBytes,
      lookEveryMs,
      orphanOptions: shared,
      logger,
    });
    sharing.hear([...own.notes.map((entry) => ({ slot: own.layout.slot, entry, isOld: true })), ...early]);
    return store;
  } catch (error) {
    await hashes.close();
    throw error;
  }
}

/** The first slot that nobody holds. */
async function openFreeSlot(root: string, shared: Omit<OwnSlotOptions, 'layout'>): Promise<OwnSlot> {
  for (let slot = 0; slot < mostSlots; slot++) {
    try {
      return await openOwnSlot({ ...shared, layout: layoutOf(root, slot), locking: { isPatient: false } });
    } catch (error) {
      if (!(error instanceof BlobStoreError && error.code === 'BLOB_LOCKED')) throw error;
    }
  }
  throw new BlobStoreError('BLOB_LOCKED', `all ${mostSlots} slots of ${root} are in use`);
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
