import type { Logger } from '@waybill/contracts';
import type { Appender } from './appender.js';
import type { Catalog, Segment } from './catalog.js';
import { corruptError, storageError } from './errors.js';
import { decodeHeader, deletedHeader, hashBody, headerBytes, recordBytes } from './record.js';
import type { SegmentFiles } from './segment-files.js';
import type { SegmentEntry } from './segment-index.js';

/** A segment is rewritten when at least this share of it is dead. */
const deadShare = 0.25;
const copyBytes = 4 * 1024 * 1024;

/**
 * Rewrites the segment with the largest dead share, one per call: what is alive is appended anew, made durable, and the
 * old segment removed. A record that takes back a name is carried on while an older segment may hold that name.
 */
export class Compactor {
  readonly #catalog: Catalog;
  readonly #files: SegmentFiles;
  readonly #appender: Appender;
  readonly #logger: Logger;
  #running: Promise<number> = Promise.resolve(0);

  constructor(options: { catalog: Catalog; files: SegmentFiles; appender: Appender; logger: Logger }) {
    this.#catalog = options.catalog;
    this.#files = options.files;
    this.#appender = options.appender;
    this.#logger = options.logger;
  }

  /** Bytes freed; 0 when no segment is worth it. */
  compact(): Promise<number> {
    this.#running = this.#running.catch(() => 0).then(() => this.#compact());
    return this.#running;
  }

  async #compact(): Promise<number> {
    const segment = this.#candidate();
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

  #candidate(): Segment | undefined {
    const oldest = Math.min(...this.#catalog.segments.keys());
    let best: Segment | undefined;
    let bestShare = 0;
    for (const segment of this.#catalog.segments.values()) {
      const kept = segment.live + (segment.number === oldest ? 0 : segment.deleted * headerBytes);
      const share = (segment.bytes - kept) / segment.bytes;
      if (segment.bytes > 0 && share >= deadShare && share > bestShare) {
        best = segment;
        bestShare = share;
      }
    }
    return best;
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
    const intact = header?.digests.sha256 === entry.sha256 && (!body || hashBody(body).sha256 === entry.sha256);
    // Deleted meanwhile: the record that says so is already queued, and a copy behind it would undo it.
    if (!this.#isCurrent(segment, entry)) return;
    if (!header || !intact) {
      this.#catalog.forget(entry.sha256);
      this.#logger.error({ blob: entry.sha256 }, corruptError(entry.sha256, 'lost in compaction').message);
      return;
    }
    await this.#appender.append({
      header,
      body,
      placed: (location) => {
        if (this.#isCurrent(segment, entry)) this.#catalog.place(entry.sha256, location);
      },
    });
  }
}
