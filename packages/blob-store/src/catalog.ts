import { BlobIndex, type BlobLocation } from './blob-index.js';
import { recordBytes } from './record.js';
import type { SegmentEntry } from './segment-index.js';

/** A segment as far as accounting needs it. */
export interface Segment {
  readonly number: number;
  /** Random; in the file's name and in every header. */
  readonly tag: Buffer;
  /** Bytes appended. */
  bytes: number;
  /** Bytes of records that the index points to. */
  live: number;
  /** Number of records that take back a name. */
  deleted: number;
  /** Whether nothing is appended any more. */
  sealed: boolean;
}

/** The index together with how much of each segment it still needs. */
export class Catalog {
  readonly index = new BlobIndex();
  readonly segments = new Map<number, Segment>();

  /** Points a name at a record, away from any earlier one. */
  place(name: string, location: BlobLocation): void {
    this.#release(name);
    this.index.set(name, location);
    const segment = this.segments.get(location.segment);
    if (segment) segment.live += recordBytes(location.place, location.size);
  }

  /** Whether there was something to forget. */
  forget(name: string): boolean {
    this.#release(name);
    return this.index.delete(name);
  }

  /** Applies a record that was found in a segment; records must come in the order they were written. */
  apply(segment: Segment, entry: SegmentEntry): void {
    if (entry.kind === 'deleted') {
      segment.deleted++;
      this.forget(entry.sha256);
    } else {
      this.place(entry.sha256, { place: entry.kind, segment: segment.number, offset: entry.offset, size: entry.size });
    }
  }

  #release(name: string): void {
    const before = this.index.get(name);
    const segment = before && this.segments.get(before.segment);
    if (segment) segment.live -= recordBytes(before.place, before.size);
  }
}
