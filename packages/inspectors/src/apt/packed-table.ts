import {
  type PackageColumns,
  type PackageRecord,
  recordOf,
  sha256Bytes,
  sha512Bytes,
  slotOf,
} from './package-columns.js';

/** A Packages file as an immutable table. */
export interface PackagesIndex {
  /** Paragraphs of the file. */
  readonly count: number;
  find(path: string): PackageRecord | undefined;
  /** Memory in bytes. */
  readonly weight: number;
  /** The table in one piece, for {@link openTable}; not a copy. */
  readonly packed: Uint8Array;
}

/** Numbers in front, 4 bytes each, in this order. */
const header = ['count', 'rows', 'slots', 'strongOf', 'strongRows', 'texts', 'architectures'] as const;
type Counts = Readonly<Record<(typeof header)[number], number>>;
const headerBytes = 32;

/** Writes columns into one piece of memory, in the machine's byte order: it never leaves the machine. */
export function packTable(
  columns: PackageColumns,
  { count, strongRows }: { readonly count: number; readonly strongRows: number },
): PackagesIndex {
  const { rows } = columns;
  const architectures = Buffer.from(columns.architectures.join('\n'), 'latin1');
  const counts: Counts = {
    count,
    rows,
    slots: columns.slots.length,
    strongOf: strongRows === 0 ? 0 : rows,
    strongRows,
    texts: columns.starts[rows] as number,
    architectures: architectures.length,
  };
  const packed = new Uint8Array(sizeOf(counts));
  new Uint32Array(packed.buffer, 0, header.length).set(header.map((name) => counts[name]));
  const target = columnsIn(packed, counts);
  target.sizes.set(columns.sizes.subarray(0, rows));
  target.starts.set(columns.starts.subarray(0, rows + 1));
  target.slots.set(columns.slots);
  target.strongOf.set(columns.strongOf.subarray(0, counts.strongOf));
  target.architectureOf.set(columns.architectureOf.subarray(0, rows));
  target.sha256s.set(columns.sha256s.subarray(0, target.sha256s.length));
  target.sha512s.set(columns.sha512s.subarray(0, target.sha512s.length));
  target.texts.set(columns.texts.subarray(0, counts.texts));
  target.architectureNames.set(architectures);
  return openTable(packed);
}

/**
 * A table out of its one piece. The caller vouches that it is one that {@link packTable} made.
 * @throws Error when the piece is too short or too long
 */
export function openTable(bytes: Uint8Array): PackagesIndex {
  // Columns of numbers need a piece that begins at a multiple of eight.
  const packed = bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
  if (packed.length < headerBytes) throw new Error(`a packed table of ${packed.length} bytes`);
  const numbers = new Uint32Array(packed.buffer, packed.byteOffset, header.length);
  const counts = Object.fromEntries(header.map((name, i) => [name, numbers[i] as number])) as Counts;
  if (sizeOf(counts) !== packed.length)
    throw new Error(`a packed table of ${packed.length} bytes, not ${sizeOf(counts)}`);
  const { architectureNames, ...rest } = columnsIn(packed, counts);
  const columns: PackageColumns = {
    ...rest,
    rows: counts.rows,
    architectures: Buffer.from(architectureNames).toString('latin1').split('\n'),
  };
  return {
    count: counts.count,
    weight: packed.length + 4096,
    packed,
    find(path) {
      // NUL separates the texts of a row, so no path has one.
      if (path.includes('\0')) return undefined;
      const wanted = Buffer.from(path);
      const row = columns.slots[slotOf(columns, wanted, 0, wanted.length)] as number;
      return row === 0 ? undefined : recordOf(columns, row - 1);
    },
  };
}

/** Bytes of each column in their order, the wide ones first: each then begins where its numbers may. */
function layout(counts: Counts): readonly number[] {
  const { rows, slots, strongOf, strongRows, texts, architectures } = counts;
  return [
    rows * 8,
    (rows + 1) * 4,
    slots * 4,
    strongOf * 4,
    rows * 2,
    rows * sha256Bytes,
    strongRows * sha512Bytes,
    texts,
    architectures,
  ];
}

function sizeOf(counts: Counts): number {
  return layout(counts).reduce((sum, bytes) => sum + bytes, headerBytes);
}

function columnsIn({ buffer, byteOffset }: Uint8Array, counts: Counts) {
  const lengths = layout(counts);
  let at = byteOffset + headerBytes;
  const [sizes, starts, slots, strongOf, architectureOf, sha256s, sha512s, texts, names] = lengths.map((length) => {
    const start = at;
    at += length;
    return [start, length] as const;
  }) as [Place, Place, Place, Place, Place, Place, Place, Place, Place];
  const bytes = ([start, length]: Place) => new Uint8Array(buffer, start, length);
  return {
    sizes: new Float64Array(buffer, sizes[0], sizes[1] / 8),
    starts: new Uint32Array(buffer, starts[0], starts[1] / 4),
    slots: new Uint32Array(buffer, slots[0], slots[1] / 4),
    strongOf: new Uint32Array(buffer, strongOf[0], strongOf[1] / 4),
    architectureOf: new Uint16Array(buffer, architectureOf[0], architectureOf[1] / 2),
    sha256s: bytes(sha256s),
    sha512s: bytes(sha512s),
    texts: bytes(texts),
    architectureNames: bytes(names),
  };
}

type Place = readonly [start: number, length: number];
