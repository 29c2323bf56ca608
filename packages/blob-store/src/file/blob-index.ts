import { randomBytes } from 'node:crypto';
import { closeGap, DigestTable } from './digest-table.js';

/** `packed`: bytes lie behind the record in its segment. `file`: bytes are a file of their own, the record only names them. */
export type BlobPlace = 'packed' | 'file';

/** Where the record of a blob is. */
export interface BlobLocation {
  readonly place: BlobPlace;
  /** Segment number and offset of the record's header. */
  readonly segment: number;
  readonly offset: number;
  /** Bytes of the body. */
  readonly size: number;
  /** When the body was last wanted, in seconds since 1970. */
  readonly usedAt: number;
}

/** Further digests of a blob, at least their first 16 digits; empty when unknown. */
export interface OtherDigests {
  readonly sha1: string;
  readonly sha512: string;
}

/** What {@link BlobIndex.take} took out. */
export interface TakenBlob {
  readonly location: BlobLocation;
  readonly sha1Mark: number;
  readonly sha512Mark: number;
}

const keyWords = 8;

/**
 * All blob names with their locations, in about 100 bytes each: dense typed arrays and open-addressing tables that hold
 * positions in them. A `Map` of strings and objects takes four times as much.
 */
export class BlobIndex {
  #slots = new Uint32Array(1024);
  #capacity = 512;
  #keys = new Uint32Array(this.#capacity * keyWords);
  #segments = new Uint32Array(this.#capacity);
  #offsets = new Uint32Array(this.#capacity);
  #sizes = new Float64Array(this.#capacity);
  /** 0 free, 1 packed, 2 file. */
  #kinds = new Uint8Array(this.#capacity);
  #usedAt = new Uint32Array(this.#capacity);
  readonly #sha1 = new DigestTable();
  readonly #sha512 = new DigestTable();
  #entries = 0;
  #free: number[] = [];
  #count = 0;
  #bytes = 0;
  /** Names are chosen by whoever sends bodies: a secret seed keeps them from piling up in one place. */
  readonly #seed = new Uint32Array(new Uint8Array(randomBytes(12)).buffer);
  readonly #probe = new Uint32Array(keyWords);
  readonly #probeBytes = Buffer.from(this.#probe.buffer);

  get size(): number {
    return this.#count;
  }

  /** Bytes of all bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param name 64 lower-case hex digits, here and elsewhere */
  get(name: string): BlobLocation | undefined {
    const slot = this.#find(name);
    return slot < 0 ? undefined : this.#at((this.#slots[slot] as number) - 1);
  }

  set(name: string, location: BlobLocation, { sha1, sha512 }: OtherDigests): void {
    this.restore(name, { location, sha1Mark: this.#sha1.mark(sha1), sha512Mark: this.#sha512.mark(sha512) });
  }

  /** Puts back what was taken out. */
  restore(name: string, { location, sha1Mark, sha512Mark }: TakenBlob): void {
    const slot = this.#find(name);
    const entry = slot >= 0 ? (this.#slots[slot] as number) - 1 : this.#add(name);
    this.#write(entry, location);
    this.#sha1.set(entry, sha1Mark);
    this.#sha512.set(entry, sha512Mark);
  }

  /** Takes a name out. */
  take(name: string): TakenBlob | undefined {
    const slot = this.#find(name);
    if (slot < 0) return undefined;
    const entry = (this.#slots[slot] as number) - 1;
    const taken = {
      location: this.#at(entry),
      sha1Mark: this.#sha1.markOf(entry),
      sha512Mark: this.#sha512.markOf(entry),
    };
    this.#kinds[entry] = 0;
    this.#bytes -= taken.location.size;
    this.#sizes[entry] = 0;
    this.#sha1.delete(entry);
    this.#sha512.delete(entry);
    this.#free.push(entry);
    this.#count--;
    closeGap(this.#slots, slot, (other) => this.#homeOf(other));
    return taken;
  }

  delete(name: string): boolean {
    return this.take(name) !== undefined;
  }

  /** Notes a later use. */
  touch(name: string, usedAt: number): void {
    const slot = this.#find(name);
    if (slot < 0) return;
    const entry = (this.#slots[slot] as number) - 1;
    this.#usedAt[entry] = Math.max(this.#usedAt[entry] as number, usedAt);
  }

  /** Names of blobs that may have this digest: whoever asks checks the whole of it. */
  candidates(algorithm: 'sha1' | 'sha512', hex: string): string[] {
    const table = algorithm === 'sha1' ? this.#sha1 : this.#sha512;
    return table.candidates(table.mark(hex)).map((entry) => this.#nameAt(entry));
  }

  /** Names in no order; changes while iterating are seen or not, never twice damaged. */
  *names(): Generator<string> {
    for (let entry = 0; entry < this.#entries; entry++) {
      if (this.#kinds[entry] !== 0) yield this.#nameAt(entry);
    }
  }

  /** Names whose records lie in a segment. */
  namesIn(segment: number): string[] {
    const found: string[] = [];
    for (let entry = 0; entry < this.#entries; entry++) {
      if (this.#kinds[entry] !== 0 && this.#segments[entry] === segment) found.push(this.#nameAt(entry));
    }
    return found;
  }

  #add(name: string): number {
    if ((this.#count + 1) * 2 > this.#slots.length) this.#growSlots();
    const entry = this.#free.pop() ?? this.#append();
    this.#probeBytes.write(name, 'hex');
    this.#keys.set(this.#probe, entry * keyWords);
    this.#insert(entry);
    this.#count++;
    return entry;
  }

  #at(entry: number): BlobLocation {
    return {
      place: this.#kinds[entry] === 2 ? 'file' : 'packed',
      segment: this.#segments[entry] as number,
      offset: this.#offsets[entry] as number,
      size: this.#sizes[entry] as number,
      usedAt: this.#usedAt[entry] as number,
    };
  }

  #write(entry: number, location: BlobLocation): void {
    this.#segments[entry] = location.segment;
    this.#offsets[entry] = location.offset;
    this.#bytes += location.size - (this.#sizes[entry] as number);
    this.#sizes[entry] = location.size;
    this.#usedAt[entry] = location.usedAt;
    this.#kinds[entry] = location.place === 'file' ? 2 : 1;
  }

  #nameAt(entry: number): string {
    this.#probe.set(this.#keys.subarray(entry * keyWords, (entry + 1) * keyWords));
    return this.#probeBytes.toString('hex');
  }

  #home(first: number, second: number): number {
    const [a, b, c] = this.#seed as unknown as [number, number, number];
    const mixed = Math.imul(first ^ a, b | 1) ^ Math.imul(second, c | 1);
    return ((mixed ^ (mixed >>> 15)) >>> 0) & (this.#slots.length - 1);
  }

  #homeOf(entry: number): number {
    return this.#home(this.#keys[entry * keyWords] as number, this.#keys[entry * keyWords + 1] as number);
  }

  #find(name: string): number {
    const key = this.#probe;
    this.#probeBytes.write(name, 'hex');
    const mask = this.#slots.length - 1;
    let slot = this.#home(key[0] as number, key[1] as number);
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.#matches((this.#slots[slot] as number) - 1, key)) return slot;
    }
    return -1;
  }

  #matches(entry: number, key: Uint32Array): boolean {
    for (let word = 0; word < keyWords; word++) {
      if (this.#keys[entry * keyWords + word] !== key[word]) return false;
    }
    return true;
  }

  #insert(entry: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#homeOf(entry);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }

  #growSlots(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let entry = 0; entry < this.#entries; entry++) {
      if (this.#kinds[entry] !== 0) this.#insert(entry);
    }
  }

  #append(): number {
    if (this.#entries === this.#capacity) {
      this.#capacity *= 2;
      this.#keys = grown(this.#keys, new Uint32Array(this.#capacity * keyWords));
      this.#segments = grown(this.#segments, new Uint32Array(this.#capacity));
      this.#offsets = grown(this.#offsets, new Uint32Array(this.#capacity));
      this.#sizes = grown(this.#sizes, new Float64Array(this.#capacity));
      this.#kinds = grown(this.#kinds, new Uint8Array(this.#capacity));
      this.#usedAt = grown(this.#usedAt, new Uint32Array(this.#capacity));
    }
    return this.#entries++;
  }
}

function grown<T extends Uint32Array | Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
