import { type FileHandle, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError, systemCode } from '../errors.js';
import type { Segment } from './catalog.js';
import { syncDirectory, writeAtomically } from './layout.js';
import { SegmentIndex } from './segment-index.js';
import { readExactly } from './segment-scan.js';

const keptOpen = 32;

interface OpenSegment {
  readonly handle: Promise<FileHandle>;
  users: number;
}

/** Files of segments: names, index files, and a bounded set of handles for reading. */
export class SegmentFiles {
  readonly #directory: string;
  readonly #open = new Map<Segment, OpenSegment>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Numbers and tags of the segments there are, oldest first. */
  async list(): Promise<{ readonly number: number; readonly tag: Buffer }[]> {
    const names = await readdir(this.#directory);
    return names
      .map((name) => /^([0-9]{8,10})\.([0-9a-f]{16})\.seg$/.exec(name))
      .filter((match) => match !== null)
      .map((match) => ({ number: Number(match[1]), tag: Buffer.from(match[2] as string, 'hex') }))
      .sort((a, b) => a.number - b.number);
  }

  path(segment: Pick<Segment, 'number' | 'tag'>): string {
    const number = String(segment.number).padStart(8, '0');
    return join(this.#directory, `${number}.${segment.tag.toString('hex')}.seg`);
  }

  #indexPath(segment: Pick<Segment, 'number' | 'tag'>): string {
    return this.path(segment).replace(/seg$/, 'idx');
  }

  /** undefined when missing or damaged. */
  async readIndex(segment: Pick<Segment, 'number' | 'tag'>): Promise<SegmentIndex | undefined> {
    try {
      return SegmentIndex.decode(await readFile(this.#indexPath(segment)));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw storageError(error, 'read', this.#indexPath(segment));
    }
  }

  async writeIndex(segment: Segment, index: SegmentIndex): Promise<void> {
    await writeAtomically(this.#indexPath(segment), index.encode());
  }

  /** Makes a new segment, its name durable. */
  async create(segment: Segment): Promise<FileHandle> {
    const handle = await open(this.path(segment), 'wx', 0o600);
    try {
      await syncDirectory(this.#directory);
      return handle;
    } catch (error) {
      await handle.close();
      await rm(this.path(segment), { force: true });
      throw error;
    }
  }

  /** Reads up to `length` bytes; fewer only at the end of the segment. */
  async read(segment: Segment, offset: number, length: number): Promise<Buffer> {
    const opened = this.#use(segment);
    opened.users++;
    try {
      return await readExactly(await opened.handle, offset, length);
    } finally {
      this.#done(segment, opened);
    }
  }

  #done(segment: Segment, opened: OpenSegment): void {
    opened.users--;
    if (opened.users === 0 && this.#open.get(segment) !== opened) void closeQuietly(opened);
    this.#shrink();
  }

  async exists(segment: Segment): Promise<boolean> {
    try {
      await stat(this.path(segment));
      return true;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false;
      throw storageError(error, 'look for', this.path(segment));
    }
  }

  /** Makes durable what was written to a segment, by whomever: a descriptor for reading is enough. fsync(2) */
  async sync(segment: Segment): Promise<void> {
    const opened = this.#use(segment);
    opened.users++;
    try {
      await (await opened.handle).datasync();
    } finally {
      this.#done(segment, opened);
    }
  }

  /** Lets go of a segment; readers that already have it open finish. */
  async forget(segment: Segment): Promise<void> {
    const opened = this.#open.get(segment);
    this.#open.delete(segment);
    if (opened?.users === 0) await closeQuietly(opened);
  }

  /** Removes a segment; readers that already have it open finish. */
  async remove(segment: Segment): Promise<void> {
    await this.forget(segment);
    await rm(this.#indexPath(segment), { force: true });
    await rm(this.path(segment), { force: true });
    await syncDirectory(this.#directory);
  }

  async close(): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(all.filter((opened) => opened.users === 0).map((opened) => closeQuietly(opened)));
  }

  #use(segment: Segment): OpenSegment {
    const known = this.#open.get(segment);
    if (known) {
      this.#open.delete(segment);
      this.#open.set(segment, known);
      return known;
    }
    const opened: OpenSegment = { handle: open(this.path(segment), 'r'), users: 0 };
    opened.handle.catch(() => this.#open.delete(segment));
    this.#open.set(segment, opened);
    return opened;
  }

  #shrink(): void {
    for (const [segment, opened] of this.#open) {
      if (this.#open.size <= keptOpen) return;
      if (opened.users > 0) continue;
      this.#open.delete(segment);
      void closeQuietly(opened);
    }
  }
}

async function closeQuietly(opened: OpenSegment): Promise<void> {
  await opened.handle.then(
    (handle) => handle.close(),
    () => undefined,
  );
}
