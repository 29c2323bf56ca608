import { randomBytes } from 'node:crypto';

const probe = new Uint32Array(2);
const probeBytes = Buffer.from(probe.buffer);

/**
 * Finds entries of an index by another digest than their name, in about 16 bytes each: an open-addressing table of entry
 * numbers and a 32-bit mark per entry. What it finds are candidates, to be checked against the whole digest.
 */
export class DigestTable {
  #slots = new Uint32Array(1024);
  /** By entry; 0 when the digest is unknown. */
  #marks = new Uint32Array(512);
  #count = 0;
  /** Digests are chosen by whoever sends bodies: a secret seed keeps them from piling up in one place. */
  readonly #seed = new Uint32Array(new Uint8Array(randomBytes(12)).buffer);

  /** The mark of a digest, 0 of an empty one. @param hex at least its first 16 digits */
  mark(hex: string): number {
    if (hex === '') return 0;
    const [a, b, c] = this.#seed as unknown as [number, number, number];
    probeBytes.write(hex, 0, 8, 'hex');
    const [first, second] = probe as unknown as [number, number];
    const mixed = Math.imul(first ^ a, b | 1) ^ Math.imul(second ^ (first >>> 7), c | 1);
    return (mixed ^ (mixed >>> 15)) >>> 0 || 1;
  }

  markOf(entry: number): number {
    return this.#marks[entry] ?? 0;
  }

  set(entry: number, mark: number): void {
    if (this.markOf(entry) === mark) return;
    this.delete(entry);
    if (mark === 0) return;
    if (entry >= this.#marks.length) this.#growMarks(entry);
    if ((this.#count + 1) * 2 > this.#slots.length) this.#growSlots();
    this.#marks[entry] = mark;
    this.#insert(entry);
    this.#count++;
  }

  delete(entry: number): void {
    if (this.markOf(entry) === 0) return;
    const mask = this.#slots.length - 1;
    let slot = this.markOf(entry) & mask;
    while (this.#slots[slot] !== entry + 1) slot = (slot + 1) & mask;
    closeGap(this.#slots, slot, (other) => this.markOf(other) & mask);
    this.#marks[entry] = 0;
    this.#count--;
  }

  /** Entries with this mark; usually one at most. */
  candidates(mark: number): number[] {
    const found: number[] = [];
    const mask = this.#slots.length - 1;
    for (let slot = mark & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = (this.#slots[slot] as number) - 1;
      if (this.markOf(entry) === mark) found.push(entry);
    }
    return found;
  }

  #insert(entry: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.markOf(entry) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }

  #growMarks(entry: number): void {
    const grown = new Uint32Array(Math.max(entry + 1, this.#marks.length * 2));
    grown.set(this.#marks);
    this.#marks = grown;
  }

  #growSlots(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let entry = 0; entry < this.#marks.length; entry++) if (this.#marks[entry] !== 0) this.#insert(entry);
  }
}

/**
 * Empties a slot of an open-addressing table by moving later members of the run up, so that no tombstone is needed
 * (Knuth 6.4, algorithm R). Slots hold entry numbers plus one, 0 is free.
 */
export function closeGap(slots: Uint32Array, start: number, homeOf: (entry: number) => number): void {
  const mask = slots.length - 1;
  let gap = start;
  for (let slot = (gap + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
    const home = homeOf((slots[slot] as number) - 1);
    if (((slot - home) & mask) >= ((slot - gap) & mask)) {
      slots[gap] = slots[slot] as number;
      gap = slot;
    }
  }
  slots[gap] = 0;
}
