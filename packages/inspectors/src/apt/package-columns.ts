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

/**
 * Packages as columns, a row each: 63 000 take 10 MB, half of what a map of strings takes, the garbage collector has nothing
 * to walk through, and the whole lies in a file as it lies in memory.
 */
export interface PackageColumns {
  rows: number;
  /** `path NUL name NUL version` of each row; row `i` goes from `starts[i]` to `starts[i + 1]`. */
  texts: Uint8Array;
  starts: Uint32Array;
  sizes: Float64Array;
  /** Place of each row's architecture in `architectures`. */
  architectureOf: Uint16Array;
  architectures: string[];
  /** 32 bytes a row. */
  sha256s: Uint8Array;
  /** Place of each row's SHA-512 in `sha512s` plus one, 0 = none; empty when no row has one. */
  strongOf: Uint32Array;
  /** 64 bytes each. */
  sha512s: Uint8Array;
  /** Rows by the hash of their path plus one, 0 = free: open addressing, a power of two, never more than half full. */
  slots: Uint32Array;
}

export const sha256Bytes = 32;
export const sha512Bytes = 64;

/** The slot of a path: its row's, or the free one where it belongs. */
export function slotOf(columns: PackageColumns, bytes: Uint8Array, start: number, end: number): number {
  const { slots } = columns;
  const mask = slots.length - 1;
  for (let slot = hashOf(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
    const row = slots[slot] as number;
    if (row === 0 || hasPath(columns, row - 1, bytes, start, end)) return slot;
  }
}

/** What a row says. */
export function recordOf(columns: PackageColumns, row: number): PackageRecord {
  const { texts, starts, sizes, architectures, architectureOf, sha256s, sha512s, strongOf } = columns;
  const [path = '', name = '', version = ''] = view(texts, starts[row] as number, starts[row + 1] as number)
    .toString('utf8')
    .split('\0');
  const strong = strongOf[row] ?? 0;
  return {
    name,
    version,
    architecture: architectures[architectureOf[row] as number] as string,
    path,
    size: sizes[row] as number,
    sha256: view(sha256s, row * sha256Bytes, (row + 1) * sha256Bytes).toString('hex'),
    ...(strong > 0 && { sha512: view(sha512s, (strong - 1) * sha512Bytes, strong * sha512Bytes).toString('hex') }),
  };
}

/** Bytes of a column, without a copy. */
export function view(bytes: Uint8Array, start: number, end: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
}

function hasPath(
  { texts, starts }: PackageColumns,
  row: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const at = starts[row] as number;
  if (texts[at + end - start] !== 0) return false;
  for (let i = start; i < end; i += 1) if (texts[at + i - start] !== bytes[i]) return false;
  return true;
}

/** FNV-1a, 32 bits. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return hash >>> 0;
}
