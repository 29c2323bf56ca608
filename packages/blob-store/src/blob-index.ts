import { randomBytes } from 'node:crypto';

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
}

const keyWords = 8;

/**
 * All blob names with their locations, in about 60 bytes each: dense typed arrays and an open-addressing table that holds
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
  #used = 0;
  #free: number[] = [];
  #count = 0;
  /** Names are chosen by whoever sends bodies: a secret seed keeps them from piling up in one place. */
  readonly #seed = new Uint32Array(new Uint8Array(randomBytes(12)).buffer);
  readonly #probe = new Uint32Array(keyWords);

  get size(): number {
    return this.#count;
  }

  get(name: string): BlobLocation | undefined {
    const slot = this.#find(name);
    return slot < 0 ? undefined : this.#at((this.#slots[slot] as number) - 1);
  }

  set(name: string, location: BlobLocation): void {
    const slot = this.#find(name);
    if (slot >= 0) {
      this.#write((this.#slots[slot] as number) - 1, location);
      return;
    }
    if ((this.#count + 1) * 2 > this.#slots.length) this.#growSlots();
    const entry = this.#free.pop() ?? this.#append();
    parseName(name, this.#probe);
    this.#keys.set(this.#probe, entry * keyWords);
    this.#write(entry, location);
    this.#insert(entry);
    this.#count++;
  }

  delete(name: string): boolean {
    const slot = this.#find(name);
    if (slot < 0) return false;
    const entry = (this.#slots[slot] as number) - 1;
    this.#kinds[entry] = 0;
    this.#free.push(entry);
    this.#count--;
    this.#closeGap(slot);
    return true;
  }

  /** Names in no order; changes while iterating are seen or not, never twice damaged. */
  *names(): Generator<string> {
    for (let entry = 0; entry < this.#used; entry++) {
      if (this.#kinds[entry] !== 0) yield this.#nameAt(entry);
    }
  }

  #at(entry: number): BlobLocation {
    return {
      place: this.#kinds[entry] === 2 ? 'file' : 'packed',
      segment: this.#segments[entry] as number,
      offset: this.#offsets[entry] as number,
      size: this.#sizes[entry] as number,
    };
  }

  #write(entry: number, location: BlobLocation): void {
    this.#segments[entry] = location.segment;
    this.#offsets[entry] = location.offset;
    this.#sizes[entry] = location.size;
    this.#kinds[entry] = location.place === 'file' ? 2 : 1;
  }

  #nameAt(entry: number): string {
    let name = '';
    for (let word = 0; word < keyWords; word++) {
      name += (this.#keys[entry * keyWords + word] as number).toString(16).padStart(8, '0');
    }
    return name;
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
    parseName(name, key);
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

  /** Backward-shift deletion: moves later members of the run up, so that no tombstone is needed (Knuth 6.4, algorithm R). */
  #closeGap(start: number): void {
    const mask = this.#slots.length - 1;
    let gap = start;
    for (let slot = (gap + 1) & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#homeOf((this.#slots[slot] as number) - 1);
      if (((slot - home) & mask) >= ((slot - gap) & mask)) {
        this.#slots[gap] = this.#slots[slot] as number;
        gap = slot;
      }
    }
    this.#slots[gap] = 0;
  }

  #growSlots(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let entry = 0; entry < this.#used; entry++) {
      if (this.#kinds[entry] !== 0) this.#insert(entry);
    }
  }

  #append(): number {
    if (this.#used === this.#capacity) {
      this.#capacity *= 2;
      this.#keys = grown(this.#keys, new Uint32Array(this.#capacity * keyWords));
      this.#segments = grown(this.#segments, new Uint32Array(this.#capacity));
      this.#offsets = grown(this.#offsets, new Uint32Array(this.#capacity));
      this.#sizes = grown(this.#sizes, new Float64Array(this.#capacity));
      this.#kinds = grown(this.#kinds, new Uint8Array(this.#capacity));
    }
    return this.#used++;
  }
}

function grown<T extends Uint32Array | Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function parseName(name: string, into: Uint32Array): void {
  for (let word = 0; word < keyWords; word++) {
    into[word] = Number.parseInt(name.slice(word * 8, word * 8 + 8), 16);
  }
}
