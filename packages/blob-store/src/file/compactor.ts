import { hash } from 'node:crypto';
import type { Clock, Logger } from '@waybill/contracts';
import { corruptError, storageError } from '../errors.js';
import type { Appender } from './appender.js';
import type { Catalog, Segment } from './catalog.js';
import { decodeHeader, deletedHeader, headerBytes, type RecordHeader, recordBytes } from './record.js';
import type { SegmentFiles } from './segment-files.js';
import type { SegmentEntry } from './segment-index.js';

const copyBytes = 4 * 1024 * 1024;
/** Notes for other processes are carried on for so long: all of them have read them by then. Seconds. */
const carriedNotes = 3600;

/**
 * Rewrites the segment with the largest dead share, one per call: what is alive is appended anew, made durable, and the
 * old segment removed. A record that takes back a name is carried on while an older segment may hold that name.
 */
export class Compactor {
  readonly #catalog: Catalog;
  readonly #files: SegmentFiles;
  readonly #appender: Appender;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #running: Promise<number> = Promise.resolve(0);

  constructor(options: { catalog: Catalog; files: SegmentFiles; appender: Appender; clock: Clock; logger: Logger }) {
    this.#catalog = options.catalog;
    this.#files = options.files;
    this.#appender = options.appender;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Bytes freed; 0 when no segment is worth it. */
  compact(): Promise<number> {
    this.#running = this.#running.catch(() => 0).then(() => this.#compact());
    return this.#running;
  }

  async #compact(): Promise<number> {
    const segment = this.#catalog.mostWasted();
    if (!segment) return 0;
    if (!segment.sealed) await this.#appender.seal();
    const before = segment.bytes;
    const carried = await this.#carry(segment);
    await this.#appender.flush();
    this.#catalog.segments.delete(segment.number);
    try {
      await this.#files.remove(segment);
    } catch (error) {
      throw storageError(error, 'remove', this.#files.path(segment));
    }
    return Math.max(0, before - carried);
  }

  /** Appends again what must not go with the segment; returns the bytes of it. */
  async #carry(segment: Segment): Promise<number> {
    const isOldest = segment.number === Math.min(...this.#catalog.segments.keys());
    const index = await this.#files.readIndex(segment);
    if (!index) throw storageError(new Error('its index is missing or damaged'), 'compact', this.#files.path(segment));
    let carried = 0;
    let batch: Promise<void>[] = [];
    let batchBytes = 0;
    for (const entry of index.entries()) {
      const size = recordBytes(entry.kind, entry.size);
      if (entry.kind === 'deleted') {
        if (isOldest || this.#catalog.index.get(entry.sha256)) continue;
        batch.push(this.#appender.append({ header: deletedHeader(entry.sha256) }));
      } else if (entry.kind === 'used' || entry.kind === 'unwanted') {
        if (this.#clock.now().getTime() / 1000 - entry.usedAt > carriedNotes) continue;
        batch.push(this.#appender.append({ header: headerOf(entry) }));
      } else {
        if (!this.#isCurrent(segment, entry)) continue;
        batch.push(this.#copy(segment, entry));
      }
      carried += size;
      batchBytes += size;
      if (batchBytes < copyBytes) continue;
      await Promise.all(batch.splice(0));
      batchBytes = 0;
    }
    await Promise.all(batch);
    batch = [];
    return carried;
  }

  #isCurrent(segment: Segment, entry: SegmentEntry): boolean {
    const now = this.#catalog.index.get(entry.sha256);
    return now !== undefined && now.segment === segment.number && now.offset === entry.offset;
  }

  async #copy(segment: Segment, entry: SegmentEntry): Promise<void> {
    const bytes = await this.#files.read(segment, entry.offset, recordBytes(entry.kind, entry.size));
    const header = decodeHeader(bytes);
    const body = entry.kind === 'packed' ? bytes.subarray(headerBytes) : undefined;
    const intact = header?.digests.sha256 === entry.sha256 && (!body || hash('sha256', body) === entry.sha256);
    // Deleted meanwhile: the record that says so is already queued, and a copy behind it would undo it.
    if (!this.#isCurrent(segment, entry)) return;
    if (!header || !intact) {
      this.#catalog.forget(entry.sha256);
      this.#logger.error({ blob: entry.sha256 }, corruptError(entry.sha256, 'lost in compaction').message);
      return;
    }
    const usedAt = this.#catalog.index.get(entry.sha256)?.usedAt ?? header.usedAt;
    await this.#appender.append({
      header: { ...header, usedAt },
      body,
      placed: (to, copy) => {
        if (this.#isCurrent(segment, entry)) this.#catalog.apply(to, copy);
      },
    });
  }
}

function headerOf({ kind, size, sha256, usedAt }: SegmentEntry): RecordHeader {
  return { kind, size, digests: { sha256, sha1: '' }, usedAt };
}
