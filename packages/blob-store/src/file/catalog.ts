import { BlobIndex, type BlobLocation, type OtherDigests, type TakenBlob } from './blob-index.js';
import { headerBytes, recordBytes } from './record.js';
import type { SegmentEntry } from './segment-index.js';

/** A segment is rewritten when at least this share of it is dead. */
const deadShare = 0.25;

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
  place(name: string, location: BlobLocation, others: OtherDigests): void {
    const before = this.index.get(name);
    this.#release(before);
    const isOlder = before !== undefined && before.usedAt > location.usedAt;
    this.index.set(name, isOlder ? { ...location, usedAt: before.usedAt } : location, others);
    this.#charge(location);
  }

  /** What there was to forget. */
  forget(name: string): TakenBlob | undefined {
    const taken = this.index.take(name);
    this.#release(taken?.location);
    return taken;
  }

  /** Undoes {@link forget}. */
  remember(name: string, taken: TakenBlob): void {
    this.index.restore(name, taken);
    this.#charge(taken.location);
  }

  /** Applies a record that was found in a segment; records must come in the order they were written. */
  apply(segment: Segment, entry: SegmentEntry): void {
    const { kind, sha256, offset, size, usedAt } = entry;
    if (kind === 'deleted') {
      segment.deleted++;
      this.forget(sha256);
    } else if (kind === 'used') this.index.touch(sha256, usedAt);
    else if (kind === 'unwanted') return;
    else this.place(sha256, { place: kind, segment: segment.number, offset, size, usedAt }, entry);
  }

  /** Forgets a segment that is no more, with all that still points to it. */
  drop(segment: Segment): void {
    this.segments.delete(segment.number);
    for (const name of this.index.namesIn(segment.number)) this.index.delete(name);
  }

  /** The segment that is worth rewriting most. */
  mostWasted(): Segment | undefined {
    const oldest = Math.min(...this.segments.keys());
    let best: Segment | undefined;
    let bestShare = 0;
    for (const segment of this.segments.values()) {
      const kept = segment.live + (segment.number === oldest ? 0 : segment.deleted * headerBytes);
      const share = (segment.bytes - kept) / segment.bytes;
      if (segment.bytes > 0 && share >= deadShare && share > bestShare) {
        best = segment;
        bestShare = share;
      }
    }
    return best;
  }

  #charge(location: BlobLocation): void {
    const segment = this.segments.get(location.segment);
    if (segment) segment.live += recordBytes(location.place, location.size);
  }

  #release(location: BlobLocation | undefined): void {
    const segment = location && this.segments.get(location.segment);
    if (segment) segment.live -= recordBytes(location.place, location.size);
  }
}
