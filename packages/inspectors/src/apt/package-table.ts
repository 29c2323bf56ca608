import { FormatProblem, quote } from './format-problem.js';

/** What a Packages file says of one package. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Relative to the repository's base URL. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  readonly sha512?: string | undefined;
}

/** A Packages file as an immutable table. */
export interface PackagesIndex {
  /** Paragraphs of the file. */
  readonly count: number;
  find(path: string): PackageRecord | undefined;
  /** Memory in bytes. */
  readonly weight: number;
}

const maxRecords = 500_000;
const sha256Bytes = 32;
const sha512Bytes = 64;

/**
 * Collects records into a few buffers instead of objects and strings: 63 000 packages take 10 MB, half of what a map of
 * strings takes, and the garbage collector has nothing to walk through.
 */
export function createPackageTable() {
  /** `path NUL name NUL version` of each row; `starts` says where. */
  const texts = growingBuffer();
  const digests = growingBuffer();
  const strongDigests = growingBuffer();
  const starts: number[] = [];
  const sizes: number[] = [];
  const architectures: string[] = [];
  const architectureOf: number[] = [];
  /** Row of the SHA-512 digest, for rows that have one. */
  const strongRows = new Map<number, number>();
  let slots = new Int32Array(1 << 10).fill(-1);
  let count = 0;

  function textOf(row: number): Buffer {
    return texts.slice(starts[row] as number, starts[row + 1] ?? texts.length());
  }

  /** The slot of a path: its row's, or the free one where it belongs. Open addressing, never more than half full. */
  function slotOf(path: Buffer): number {
    const mask = slots.length - 1;
    for (let slot = hashOf(path) & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot] as number;
      if (row === -1) return slot;
      const text = textOf(row);
      if (text[path.length] === 0 && text.subarray(0, path.length).equals(path)) return slot;
    }
  }

  function grow(): void {
    slots = new Int32Array(slots.length * 2).fill(-1);
    for (let row = 0; row < starts.length; row += 1) {
      const text = textOf(row);
      slots[slotOf(text.subarray(0, text.indexOf(0)))] = row;
    }
  }

  function record(row: number): PackageRecord {
    const [path = '', name = '', version = ''] = textOf(row).toString('utf8').split('\0');
    const strong = strongRows.get(row);
    return {
      name,
      version,
      architecture: architectures[architectureOf[row] as number] as string,
      path,
      size: sizes[row] as number,
      sha256: digests.slice(row * sha256Bytes, (row + 1) * sha256Bytes).toString('hex'),
      ...(strong !== undefined && {
        sha512: strongDigests.slice(strong * sha512Bytes, (strong + 1) * sha512Bytes).toString('hex'),
      }),
    };
  }

  return {
    /**
     * @param found digests in lower-case hex, no NUL in any text
     * @param line where its paragraph ends, for the message
     * @throws FormatProblem when another record of the same path says something else, or there are too many
     */
    add(found: PackageRecord, line: number): void {
      count += 1;
      const slot = slotOf(Buffer.from(found.path));
      const known = slots[slot] as number;
      if (known !== -1) {
        if (isSame(record(known), found)) return;
        throw new FormatProblem(`two paragraphs (the second ends at line ${line}) disagree about ${quote(found.path)}`);
      }
      const row = starts.length;
      if (row === maxRecords) throw new FormatProblem(`lists more than ${maxRecords} packages`);
      slots[slot] = row;
      starts.push(texts.length());
      texts.append(Buffer.from(`${found.path}\0${found.name}\0${found.version}`));
      sizes.push(found.size);
      if (!architectures.includes(found.architecture)) architectures.push(found.architecture);
      architectureOf.push(architectures.indexOf(found.architecture));
      digests.append(Buffer.from(found.sha256, 'hex'));
      if (found.sha512 !== undefined) {
        strongRows.set(row, strongRows.size);
        strongDigests.append(Buffer.from(found.sha512, 'hex'));
      }
      if (starts.length * 2 > slots.length) grow();
    },
    finish(): PackagesIndex {
      const buffers = texts.trim() + digests.trim() + strongDigests.trim();
      // Arrays of small integers and of doubles take 8 bytes a slot, and up to half as much again in reserve.
      const weight = 4096 + buffers + slots.byteLength + starts.length * 3 * 12 + strongRows.size * 48;
      return {
        count,
        weight,
        find(path) {
          // NUL separates the texts of a row, so no path has one.
          if (path.includes('\0')) return undefined;
          const row = slots[slotOf(Buffer.from(path))] as number;
          return row === -1 ? undefined : record(row);
        },
      };
    },
  };
}

function isSame(a: PackageRecord, b: PackageRecord): boolean {
  return (
    a.name === b.name &&
    a.version === b.version &&
    a.architecture === b.architecture &&
    a.size === b.size &&
    a.sha256 === b.sha256 &&
    (a.sha512 === undefined || b.sha512 === undefined || a.sha512 === b.sha512)
  );
}

/** FNV-1a, 32 bits. */
function hashOf(bytes: Buffer): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function growingBuffer() {
  let bytes = Buffer.allocUnsafeSlow(4096);
  let used = 0;
  function resize(size: number): void {
    const next = Buffer.allocUnsafeSlow(size);
    bytes.copy(next, 0, 0, used);
    bytes = next;
  }
  return {
    length: () => used,
    append(part: Buffer): void {
      if (used + part.length > bytes.length) resize(Math.max(bytes.length * 2, used + part.length));
      part.copy(bytes, used);
      used += part.length;
    },
    slice: (start: number, end: number) => bytes.subarray(start, end),
    /** Gives back what was reserved too much; the bytes in use. */
    trim(): number {
      resize(used);
      return used;
    },
  };
}
