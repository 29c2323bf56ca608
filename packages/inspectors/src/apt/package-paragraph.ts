import type { PackageBytes } from './package-table.js';

/** Fields of a Packages file that vouch for packages, in lower case. */
export const wantedFields = ['package', 'version', 'architecture', 'filename', 'size', 'sha256', 'sha512'] as const;

const [packageAt, versionAt, architectureAt, filenameAt, sizeAt, sha256At, sha512At] = [0, 1, 2, 3, 4, 5, 6] as const;
/** A bit for each field but SHA512. */
const required = 0b011_1111;
const space = 0x20;
const tab = 0x09;
const slash = 0x2f;
const dot = 0x2e;
const backslash = 0x5c;

/** The wanted fields of one paragraph as bytes: lines are gone once the next one comes. */
export class PackageParagraph {
  #bytes = Buffer.alloc(8192);
  #used = 0;
  /** A bit for each field. */
  #fields = 0;
  readonly #starts = new Uint32Array(wantedFields.length);
  readonly #ends = new Uint32Array(wantedFields.length);
  readonly #row: PackageBytes = {
    bytes: this.#bytes,
    ...{ pathStart: 0, pathEnd: 0, nameStart: 0, nameEnd: 0, versionStart: 0, versionEnd: 0 },
    ...{ architectureStart: 0, architectureEnd: 0, size: 0, sha256Start: 0, sha512Start: 0 },
  };

  has(field: number): boolean {
    return (this.#fields & (1 << field)) !== 0;
  }

  take(field: number, from: Buffer, start: number, end: number): void {
    let first = start;
    let last = end;
    while (first < last && isBlank(from[first])) first += 1;
    while (last > first && isBlank(from[last - 1])) last -= 1;
    const length = last - first;
    if (this.#used + length > this.#bytes.length) this.#grow(this.#used + length);
    for (let i = 0; i < length; i += 1) this.#bytes[this.#used + i] = from[first + i] as number;
    this.#starts[field] = this.#used;
    this.#used += length;
    this.#ends[field] = this.#used;
    this.#fields |= 1 << field;
  }

  text(field: number): string | undefined {
    if (!this.has(field)) return undefined;
    return this.#bytes.toString('utf8', this.#starts[field], this.#ends[field]).trim();
  }

  clear(): void {
    this.#used = 0;
    this.#fields = 0;
  }

  /** The fields, when there is nothing special about any; undefined says nothing yet. */
  plainRow(): PackageBytes | undefined {
    if ((this.#fields & required) !== required) return undefined;
    const bytes = this.#bytes;
    const row = this.#row;
    const starts = this.#starts;
    const ends = this.#ends;
    row.bytes = bytes;
    row.nameStart = starts[packageAt] as number;
    row.nameEnd = ends[packageAt] as number;
    row.versionStart = starts[versionAt] as number;
    row.versionEnd = ends[versionAt] as number;
    row.architectureStart = starts[architectureAt] as number;
    row.architectureEnd = ends[architectureAt] as number;
    row.pathStart = starts[filenameAt] as number;
    row.pathEnd = ends[filenameAt] as number;
    row.size = decimal(bytes, starts[sizeAt] as number, ends[sizeAt] as number);
    row.sha256Start = starts[sha256At] as number;
    row.sha512Start = this.has(sha512At) ? (starts[sha512At] as number) : -1;
    const isPlain =
      isGraphic(bytes, row.nameStart, row.nameEnd) &&
      isGraphic(bytes, row.versionStart, row.versionEnd) &&
      isWord(bytes, row.architectureStart, row.architectureEnd) &&
      isPlainPath(bytes, row.pathStart, row.pathEnd) &&
      row.size !== -1 &&
      isHex(bytes, row.sha256Start, ends[sha256At] as number, 64) &&
      (row.sha512Start === -1 || isHex(bytes, row.sha512Start, ends[sha512At] as number, 128));
    return isPlain ? row : undefined;
  }

  #grow(length: number): void {
    const next = Buffer.alloc(Math.max(length, this.#bytes.length * 2));
    this.#bytes.copy(next, 0, 0, this.#used);
    this.#bytes = next;
  }
}

function isBlank(code: number | undefined): boolean {
  return code === space || code === tab;
}

function isGraphic(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1)
    if (!((bytes[at] as number) > space && (bytes[at] as number) < 0x7f)) return false;
  return end > start;
}

function isWord(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    const code = bytes[at] as number;
    const isFine = (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x2d;
    if (!isFine) return false;
  }
  return end > start;
}

/** Graphic ASCII without a backslash, an empty segment, or one that begins with a dot. */
function isPlainPath(bytes: Buffer, start: number, end: number): boolean {
  let before = slash;
  for (let at = start; at < end; at += 1) {
    const code = bytes[at] as number;
    if (code <= space || code > 0x7e || code === backslash) return false;
    if (before === slash && (code === slash || code === dot)) return false;
    before = code;
  }
  return before !== slash && end - start <= 4096;
}

/** -1 when it is none. */
function decimal(bytes: Buffer, start: number, end: number): number {
  if (end === start || end - start > 15) return -1;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function isHex(bytes: Buffer, start: number, end: number, length: number): boolean {
  if (end - start !== length) return false;
  for (let at = start; at < end; at += 1) {
    const code = bytes[at] as number;
    const isFine = (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66) || (code >= 0x41 && code <= 0x46);
    if (!isFine) return false;
  }
  return true;
}
