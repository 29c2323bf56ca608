import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Logger } from '@waybill/contracts';
import { storageError } from '../errors.js';
import { ForeignSlot, type Note } from './foreign-slot.js';
import type { HashPool } from './hash-pool.js';
import { isBlobName, layoutOf, slotsDirectory } from './layout.js';

/** See {@link ForeignSlot}: when its list of names can be relied on. Milliseconds. */
const settledAfter = 1_000;

/** What following the other slots needs. */
export interface ForeignSlotsOptions {
  readonly root: string;
  /** The slot that this process writes. */
  readonly own: number;
  readonly hashes: HashPool;
  readonly logger: Logger;
  /** Hears of each note once, after all that was written before it is known. */
  readonly onNotes: (notes: readonly Note[]) => void;
}

/** The slots that other processes write, or wrote. */
export class ForeignSlots {
  readonly #options: ForeignSlotsOptions;
  readonly #slots = new Map<number, ForeignSlot>();
  #listedAt = { mtimeMs: Number.NaN, isSettled: false };
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: ForeignSlotsOptions) {
    this.#options = options;
    if (options.own !== 0) this.#add(0);
  }

  all(): readonly ForeignSlot[] {
    return [...this.#slots.values()];
  }

  get count(): number {
    return this.#slots.size;
  }

  /** Slots that hold a blob, as far as is known without looking. */
  holding(name: string): ForeignSlot[] {
    const found: ForeignSlot[] = [];
    if (!isBlobName(name)) return found;
    for (const slot of this.#slots.values()) if (slot.catalog.index.get(name)) found.push(slot);
    return found;
  }

  /**
   * Makes this process see all that others wrote before the call; undefined when it does already, which is the usual case and
   * costs a few calls of stat.
   */
  refresh(): Promise<void> | undefined {
    if (this.#closed || (!this.#running && !this.#hasChanged())) return undefined;
    return this.#refresh();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running?.catch(() => undefined);
    await Promise.all(this.all().map((slot) => slot.close()));
  }

  /** A look that is underway may have missed what was written since it began. */
  async #refresh(): Promise<void> {
    while (this.#running) await this.#running.catch(() => undefined);
    if (this.#closed || !this.#hasChanged()) return;
    this.#running = this.#follow();
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  #hasChanged(): boolean {
    if (this.#directoryChanged()) return true;
    for (const slot of this.#slots.values()) if (slot.hasChanged()) return true;
    return false;
  }

  #directoryChanged(): boolean {
    const found = statSync(slotsDirectory(this.#options.root), { throwIfNoEntry: false });
    if (!found) return false;
    return found.mtimeMs !== this.#listedAt.mtimeMs || !this.#listedAt.isSettled;
  }

  async #follow(): Promise<void> {
    if (this.#directoryChanged()) await this.#discover();
    const notes: Note[] = [];
    for (const slot of this.all()) if (slot.hasChanged()) notes.push(...(await slot.follow()));
    if (notes.length > 0) this.#options.onNotes(notes);
  }

  async #discover(): Promise<void> {
    const path = slotsDirectory(this.#options.root);
    try {
      const startedAt = Date.now();
      const { mtimeMs } = statSync(path);
      for (const name of await readdir(path)) {
        const number = /^[1-9][0-9]{0,4}$/.test(name) ? Number(name) : this.#options.own;
        if (number !== this.#options.own && !this.#slots.has(number)) this.#add(number);
      }
      this.#listedAt = { mtimeMs, isSettled: startedAt - mtimeMs > settledAfter };
    } catch (error) {
      throw storageError(error, 'list', path);
    }
  }

  #add(number: number): void {
    const { root, hashes, logger } = this.#options;
    const catchUp = async () => void (await this.refresh());
    this.#slots.set(number, new ForeignSlot({ layout: layoutOf(root, number), hashes, logger, catchUp }));
  }
}
