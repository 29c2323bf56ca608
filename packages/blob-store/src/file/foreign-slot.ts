import { statSync } from 'node:fs';
import type { Logger } from '@waybill/contracts';
import { storageError, systemCode } from '../errors.js';
import { BlobReads } from './blob-reads.js';
import { Catalog, type Segment } from './catalog.js';
import type { HashPool } from './hash-pool.js';
import type { Layout } from './layout.js';
import { SegmentFiles } from './segment-files.js';
import type { SegmentEntry } from './segment-index.js';
import { scanSegment } from './segment-scan.js';

/** A record that is for everybody. */
export interface Note {
  readonly slot: number;
  readonly entry: SegmentEntry;
  /** Written before this process looked for the first time: what came before and after it is not known. */
  readonly isOld: boolean;
}

/** A directory that changed so recently may change again without another time stamp. Milliseconds. */
const settledAfter = 1_000;

/**
 * Follows the segments that another process writes. Every look is cheap when nothing changed, and sees all that was written
 * before it: file sizes and names are the same for all processes of a machine at once.
 */
export class ForeignSlot {
  readonly layout: Layout;
  readonly hashes: HashPool;
  readonly logger: Logger;
  catalog = new Catalog();
  files: SegmentFiles;
  readonly reads: BlobReads;
  /** Names that somebody asked its process to remove, with the condition; for who sweeps after that process is gone. */
  readonly requests = new Map<string, SegmentEntry>();
  /** How much of each segment is known to be durable. */
  readonly #durable = new Map<Segment, number>();
  #tail: Segment | undefined;
  #listedAt = { mtimeMs: Number.NaN, isSettled: false };
  #isOld = true;

  /** @param options.catchUp makes this process see all that others wrote */
  constructor(options: { layout: Layout; hashes: HashPool; logger: Logger; catchUp: () => Promise<void> }) {
    this.layout = options.layout;
    this.hashes = options.hashes;
    this.logger = options.logger;
    this.files = new SegmentFiles(options.layout.packs);
    this.catchUp = options.catchUp;
    this.reads = new BlobReads(this);
  }

  readonly catchUp: () => Promise<void>;

  /** Whether {@link follow} would find anything. */
  hasChanged(): boolean {
    const packs = statSync(this.layout.packs, { throwIfNoEntry: false });
    if (!packs) return this.catalog.segments.size > 0;
    if (packs.mtimeMs !== this.#listedAt.mtimeMs || !this.#listedAt.isSettled) return true;
    if (!this.#tail) return false;
    return statSync(this.files.path(this.#tail), { throwIfNoEntry: false })?.size !== this.#tail.bytes;
  }

  /** Reads what is new. @returns notes for everybody, in order */
  async follow(): Promise<Note[]> {
    const notes: Note[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      try {
        await this.#follow(notes);
        this.#isOld = false;
        return notes;
      } catch (error) {
        // A segment was compacted away between the look at its directory and the look at itself.
        if (systemCode(error) !== 'ENOENT') throw storageError(error, 'read the segments in', this.layout.packs);
      }
    }
    return notes;
  }

  /** Makes durable all that is known of a segment; that of a sealed one is. */
  async makeDurable(number: number): Promise<void> {
    const segment = this.catalog.segments.get(number);
    if (!segment || segment !== this.#tail || (this.#durable.get(segment) ?? 0) >= segment.bytes) return;
    const { bytes } = segment;
    try {
      await this.files.sync(segment);
      this.#durable.set(segment, bytes);
    } catch (error) {
      // Compacted away: what was worth keeping is durable elsewhere.
      if (systemCode(error) !== 'ENOENT') throw storageError(error, 'make durable', this.files.path(segment));
    }
  }

  async close(): Promise<void> {
    await this.files.close();
  }

  async #follow(notes: Note[]): Promise<void> {
    const listing = await this.#list();
    if (listing.found.some(({ number, tag }) => this.catalog.segments.get(number)?.tag.equals(tag) === false)) {
      await this.#startOver();
    }
    for (const { number, tag } of listing.found) {
      const known = this.catalog.segments.get(number);
      if (known && known !== this.#tail) continue;
      const segment = known ?? { number, tag, bytes: 0, live: 0, deleted: 0, sealed: false };
      if (!(await this.#read(segment, notes))) return await this.#follow(notes);
      if (this.#tail) this.#tail.sealed = this.#tail !== segment;
      this.#tail = segment;
    }
    if (!listing.isSettled) return;
    // What compaction carried on was read above, so that whatever still points to a missing segment is gone.
    const present = new Set(listing.found.map(({ number }) => number));
    for (const segment of [...this.catalog.segments.values()]) {
      if (!present.has(segment.number)) await this.#drop(segment);
    }
  }

  /** The segments there are. Unless it is settled, the list may lack some: names come and go while a directory is read. */
  async #list() {
    const mtimeOf = () => statSync(this.layout.packs, { throwIfNoEntry: false })?.mtimeMs ?? Number.NaN;
    const startedAt = Date.now();
    const mtimeMs = mtimeOf();
    const found = Number.isNaN(mtimeMs) ? [] : await this.files.list();
    const isSettled = mtimeOf() === mtimeMs && startedAt - mtimeMs > settledAfter;
    this.#listedAt = { mtimeMs, isSettled };
    return { found, isSettled };
  }

  /** Reads a segment from where the last look ended; false when it has to be read from the start, with all others. */
  async #read(segment: Segment, notes: Note[]): Promise<boolean> {
    const fileBytes = statSync(this.files.path(segment)).size;
    if (fileBytes < segment.bytes) {
      // The end of a write that failed was seen and cut off.
      await this.#startOver();
      return false;
    }
    this.catalog.segments.set(segment.number, segment);
    if (segment.bytes === 0) {
      const index = await this.files.readIndex(segment);
      if (index && index.covered <= fileBytes) {
        for (const entry of index.entries()) this.#apply(segment, entry, notes);
        segment.bytes = index.covered;
      }
    }
    if (fileBytes === segment.bytes) return true;
    const { entries, end } = await scanSegment((position, length) => this.files.read(segment, position, length), {
      from: segment.bytes,
      fileBytes,
      tag: segment.tag,
      checkBodies: false,
    });
    for (const entry of entries) this.#apply(segment, entry, notes);
    segment.bytes = end;
    return true;
  }

  #apply(segment: Segment, entry: SegmentEntry, notes: Note[]): void {
    this.catalog.apply(segment, entry);
    if (entry.kind === 'deleted') this.requests.delete(entry.sha256);
    if (entry.kind !== 'used' && entry.kind !== 'unwanted') return;
    notes.push({ slot: this.layout.slot, entry, isOld: this.#isOld });
  }

  async #drop(segment: Segment): Promise<void> {
    this.catalog.drop(segment);
    this.#durable.delete(segment);
    if (this.#tail === segment) this.#tail = undefined;
    await this.files.forget(segment);
  }

  async #startOver(): Promise<void> {
    const before = this.files;
    this.files = new SegmentFiles(this.layout.packs);
    this.catalog = new Catalog();
    this.#durable.clear();
    this.#tail = undefined;
    this.#isOld = true;
    await before.close();
  }
}
