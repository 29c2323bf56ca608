import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { storageError } from '../errors.js';
import type { Catalog, Segment } from './catalog.js';
import { encodeHeader, headerBytes, type RecordHeader, recordBytes, tagBytes, writeHeader } from './record.js';
import { entryOf, type SegmentEntry, SegmentIndex } from './segment-index.js';

/** A record to append. */
export interface Append {
  readonly header: RecordHeader;
  /** Of a `packed` record. */
  readonly body?: Uint8Array | undefined;
  /** Called as soon as the record can be read, before anything else happens. */
  placed?(segment: Segment, entry: SegmentEntry): void;
}

/** The part of an open file that appending needs. */
export type SegmentHandle = Pick<FileHandle, 'writev' | 'truncate' | 'datasync' | 'close'>;

/** Where segments come from. */
export interface SegmentSource {
  path(segment: Segment): string;
  /** Makes a new segment, its name durable. */
  create(segment: Segment): Promise<SegmentHandle>;
  writeIndex(segment: Segment, index: SegmentIndex): Promise<void>;
}

interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

interface Job extends Append, Waiting {}

interface Active {
  readonly segment: Segment;
  readonly handle: SegmentHandle;
  readonly index: SegmentIndex;
}

interface Written {
  readonly position: number;
  readonly buffers: readonly Uint8Array[];
}

const batchJobs = 256;
const batchBytes = 4 * 1024 * 1024;
const gatheredBytes = 512 * 1024;
/** Written bytes kept in memory until they are synced; beyond it the appender syncs by itself. */
const unsyncedBytes = 16 * 1024 * 1024;

/**
 * Appends records to the active segment: one write for all that wait, one fsync for all that ask. What a failed fsync
 * covered is kept and written again before the next one, because the system may have dropped those pages.
 */
export class Appender {
  readonly #files: SegmentSource;
  readonly #catalog: Catalog;
  readonly #segmentBytes: number;
  readonly #guard: () => void;
  #active: Active | undefined;
  #queue: Job[] = [];
  #seals: Waiting[] = [];
  #pumping: Promise<void> | undefined;
  #unsynced: Written[] = [];
  #unsyncedBytes = 0;
  /** How many of #unsynced the running sync covers. */
  #covered = 0;
  #rewrite = false;
  #syncing: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  /** Part of a failed write may have been read by other processes: its place is never used again. */
  #isSpoilt = false;

  /** @param options.guard throws when nothing may be written (closed, lock lost). */
  constructor(options: { files: SegmentSource; catalog: Catalog; segmentBytes: number; guard: () => void }) {
    this.#files = options.files;
    this.#catalog = options.catalog;
    this.#segmentBytes = options.segmentBytes;
    this.#guard = options.guard;
  }

  /** Goes on with the last segment of an earlier run. */
  resume(active: Active): void {
    this.#active = active;
  }

  /** Resolves when the record is written and placed; durable after {@link flush}. */
  append(append: Append): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...append, resolve, reject });
      this.#pumping ??= this.#pump();
    });
  }

  /** Makes durable all that was appended before the call. */
  flush(): Promise<void> {
    if (this.#unsynced.length === this.#covered && !this.#rewrite) return this.#syncing ?? Promise.resolve();
    this.#nextSync ??= this.#syncNext();
    return this.#nextSync;
  }

  /** Ends the active segment, so that compaction may take it. */
  seal(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#seals.push({ resolve, reject });
      this.#pumping ??= this.#pump();
    });
  }

  /** Writes and syncs what waits, and leaves an index for the next open. */
  async close(): Promise<void> {
    await this.#idle();
    const active = this.#active;
    if (!active) return;
    try {
      await this.flush();
      active.index.covered = active.segment.bytes;
      await this.#files.writeIndex(active.segment, active.index);
    } finally {
      this.#active = undefined;
      await active.handle.close();
    }
  }

  async #idle(): Promise<void> {
    while (this.#pumping) await this.#pumping.catch(() => undefined);
  }

  async #pump(): Promise<void> {
    // Lets everything that is appended in this turn share one write.
    await undefined;
    while (this.#queue.length > 0 || this.#seals.length > 0) {
      if (this.#seals.length > 0) await this.#serveSeals();
      else await this.#serveJobs();
    }
    this.#pumping = undefined;
  }

  async #serveSeals(): Promise<void> {
    const waiting = this.#seals.splice(0);
    try {
      await this.#sealActive();
      for (const one of waiting) one.resolve();
    } catch (error) {
      for (const one of waiting) one.reject(error);
    }
  }

  async #serveJobs(): Promise<void> {
    let jobs: Job[] = [];
    try {
      this.#guard();
      if (this.#unsyncedBytes > unsyncedBytes) await this.flush();
      const active = await this.#room();
      jobs = this.#take(active);
      await this.#write(active, jobs);
    } catch (error) {
      // Without a segment to write to nobody who waits can be served.
      for (const job of jobs.length > 0 ? jobs : this.#queue.splice(0)) job.reject(error);
    }
  }

  /** The active segment if the next record fits, else a new one. */
  async #room(): Promise<Active> {
    const next = this.#queue[0] as Job;
    const active = this.#active;
    const wanted = recordBytes(next.header.kind, next.header.size);
    const hasRoom = active && (active.segment.bytes === 0 || active.segment.bytes + wanted <= this.#segmentBytes);
    if (hasRoom && !this.#isSpoilt) return active;
    await this.#sealActive();
    const number = Math.max(0, ...this.#catalog.segments.keys()) + 1;
    const segment: Segment = { number, tag: randomBytes(tagBytes), bytes: 0, live: 0, deleted: 0, sealed: false };
    try {
      this.#active = { segment, handle: await this.#files.create(segment), index: new SegmentIndex() };
    } catch (error) {
      throw storageError(error, 'create a segment', this.#files.path(segment));
    }
    this.#catalog.segments.set(number, segment);
    return this.#active;
  }

  async #sealActive(): Promise<void> {
    const active = this.#active;
    if (!active) return;
    await this.flush();
    active.index.covered = active.segment.bytes;
    try {
      await this.#files.writeIndex(active.segment, active.index);
    } catch (error) {
      throw storageError(error, 'write the index of', this.#files.path(active.segment));
    }
    active.segment.sealed = true;
    this.#isSpoilt = false;
    this.#active = undefined;
    await active.handle.close();
  }

  #take(active: Active): Job[] {
    let bytes = 0;
    let count = 0;
    for (const job of this.#queue) {
      const next = bytes + recordBytes(job.header.kind, job.header.size);
      const fits = active.segment.bytes + next <= this.#segmentBytes && next <= batchBytes;
      if (count > 0 && (!fits || count === batchJobs)) break;
      bytes = next;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #write(active: Active, jobs: readonly Job[]): Promise<void> {
    const { segment, handle } = active;
    const buffers = encode(jobs, segment.tag);
    const position = segment.bytes;
    let written = 0;
    try {
      await writeAll(handle, buffers, position, (bytes) => {
        written = bytes;
      });
    } catch (error) {
      this.#isSpoilt ||= written > 0;
      // What came before stays; a torn tail that cannot be cut off now is overwritten or cut off at the next open.
      await handle.truncate(position).catch(() => undefined);
      throw storageError(error, 'write to', this.#files.path(segment));
    }
    this.#unsynced.push({ position, buffers });
    for (const job of jobs) this.#place(active, job);
  }

  #place({ segment, index }: Active, job: Job): void {
    const { kind, size } = job.header;
    const entry = entryOf(job.header, segment.bytes);
    segment.bytes += recordBytes(kind, size);
    this.#unsyncedBytes += recordBytes(kind, size);
    index.add(entry);
    if (kind === 'deleted') segment.deleted++;
    job.placed?.(segment, entry);
    job.resolve();
  }

  async #syncNext(): Promise<void> {
    await this.#syncing?.catch(() => undefined);
    this.#nextSync = undefined;
    this.#syncing = this.#sync().finally(() => {
      this.#covered = 0;
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  async #sync(): Promise<void> {
    const active = this.#active;
    if (!active) return;
    this.#covered = this.#unsynced.length;
    try {
      if (this.#rewrite) {
        for (const written of this.#unsynced.slice(0, this.#covered)) {
          await writeAll(active.handle, written.buffers, written.position);
        }
      }
      await active.handle.datasync();
    } catch (error) {
      this.#rewrite = true;
      throw storageError(error, 'make durable', this.#files.path(active.segment));
    }
    this.#rewrite = false;
    for (const written of this.#unsynced.splice(0, this.#covered)) {
      for (const buffer of written.buffers) this.#unsyncedBytes -= buffer.length;
    }
    this.#covered = 0;
  }
}

/** Small records in one buffer: each buffer more costs a write more than copying its bytes. */
function encode(jobs: readonly Job[], tag: Uint8Array): Uint8Array[] {
  const total = jobs.reduce((sum, { header }) => sum + recordBytes(header.kind, header.size), 0);
  if (total > gatheredBytes) {
    return jobs.flatMap(({ header, body }) => {
      const head = encodeHeader(header, tag);
      return body && body.length > 0 ? [head, body] : [head];
    });
  }
  const all = Buffer.allocUnsafe(total);
  let at = 0;
  for (const { header, body } of jobs) {
    writeHeader(all.subarray(at), header, tag);
    if (body) all.set(body, at + headerBytes);
    at += recordBytes(header.kind, header.size);
  }
  return [all];
}

async function writeAll(
  handle: SegmentHandle,
  buffers: readonly Uint8Array[],
  position: number,
  onProgress?: (bytes: number) => void,
): Promise<void> {
  let rest = [...buffers];
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, at);
    if (bytesWritten === 0) throw Object.assign(new Error('nothing was written'), { code: 'EIO' });
    at += bytesWritten;
    onProgress?.(at - position);
    rest = without(rest, bytesWritten);
  }
}

/** What is left of the buffers after so many bytes. */
function without(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length;
    else {
      rest.push(buffer.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}
