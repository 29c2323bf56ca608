import { FormatProblem, quote } from './format-problem.js';
import {
  type PackageColumns,
  type PackageRecord,
  recordOf,
  sha256Bytes,
  sha512Bytes,
  slotOf,
  view,
} from './package-columns.js';
import { type PackagesIndex, packTable } from './packed-table.js';

/** Where the fields of a package lie in some bytes. One is used for all rows, so that none costs an object. */
export interface PackageBytes {
  bytes: Uint8Array;
  pathStart: number;
  pathEnd: number;
  nameStart: number;
  nameEnd: number;
  versionStart: number;
  versionEnd: number;
  architectureStart: number;
  architectureEnd: number;
  size: number;
  /** 64 hex digits from here. */
  sha256Start: number;
  /** 128 hex digits from here; -1 = none. */
  sha512Start: number;
}

const maxRecords = 500_000;
const maxArchitectures = 1000;

/** Collects packages into columns that grow. */
export function createPackageTable() {
  const columns: PackageColumns = {
    rows: 0,
    texts: new Uint8Array(1 << 16),
    starts: new Uint32Array(1 << 10),
    sizes: new Float64Array(1 << 10),
    architectureOf: new Uint16Array(1 << 10),
    architectures: [],
    sha256s: new Uint8Array(sha256Bytes << 10),
    strongOf: new Uint32Array(0),
    sha512s: new Uint8Array(0),
    slots: new Uint32Array(1 << 11),
  };
  /** Of the architectures, for a quick comparison. */
  const names: Buffer[] = [];
  let strongRows = 0;
  let count = 0;

  function architectureIndex({ bytes, architectureStart, architectureEnd }: PackageBytes): number {
    const name = view(bytes, architectureStart, architectureEnd);
    const known = names.findIndex((one) => one.equals(name));
    if (known !== -1) return known;
    if (names.length === maxArchitectures) throw new FormatProblem(`names more than ${maxArchitectures} architectures`);
    columns.architectures.push(name.toString('latin1'));
    return names.push(Buffer.from(name)) - 1;
  }

  function appendText(found: PackageBytes): void {
    const { bytes, pathStart, pathEnd, nameStart, nameEnd, versionStart, versionEnd } = found;
    const length = pathEnd - pathStart + nameEnd - nameStart + versionEnd - versionStart + 2;
    const start = columns.starts[columns.rows] as number;
    columns.texts = grown(columns.texts, start + length);
    const { texts } = columns;
    let used = copyBytes(texts, start, bytes, pathStart, pathEnd);
    texts[used] = 0;
    used = copyBytes(texts, used + 1, bytes, nameStart, nameEnd);
    texts[used] = 0;
    columns.starts[columns.rows + 1] = copyBytes(texts, used + 1, bytes, versionStart, versionEnd);
  }

  function appendDigests({ bytes, sha256Start, sha512Start }: PackageBytes): void {
    const { rows } = columns;
    columns.sha256s = grown(columns.sha256s, (rows + 1) * sha256Bytes);
    writeHex(columns.sha256s, rows * sha256Bytes, bytes, sha256Start, sha256Bytes);
    if (sha512Start === -1) return;
    columns.strongOf = grown(columns.strongOf, rows + 1);
    columns.sha512s = grown(columns.sha512s, (strongRows + 1) * sha512Bytes);
    writeHex(columns.sha512s, strongRows * sha512Bytes, bytes, sha512Start, sha512Bytes);
    strongRows += 1;
    columns.strongOf[rows] = strongRows;
  }

  function growSlots(): void {
    columns.slots = new Uint32Array(columns.slots.length * 2);
    for (let row = 0; row < columns.rows; row += 1) {
      const start = columns.starts[row] as number;
      columns.slots[slotOf(columns, columns.texts, start, columns.texts.indexOf(0, start))] = row + 1;
    }
  }

  return {
    /**
     * @param found checked: no NUL in any text, digits in digests
     * @param line where its paragraph ends, for the message
     * @throws FormatProblem when another record of the same path says something else, or there are too many
     */
    add(found: PackageBytes, line: number): void {
      count += 1;
      const slot = slotOf(columns, found.bytes, found.pathStart, found.pathEnd);
      const known = columns.slots[slot] as number;
      if (known !== 0) {
        const record = recordOf(columns, known - 1);
        if (isSame(record, toRecord(found))) return;
        throw new FormatProblem(
          `two paragraphs (the second ends at line ${line}) disagree about ${quote(record.path)}`,
        );
      }
      const { rows } = columns;
      if (rows === maxRecords) throw new FormatProblem(`lists more than ${maxRecords} packages`);
      columns.starts = grown(columns.starts, rows + 2);
      columns.sizes = grown(columns.sizes, rows + 1);
      columns.architectureOf = grown(columns.architectureOf, rows + 1);
      appendText(found);
      appendDigests(found);
      columns.sizes[rows] = found.size;
      columns.architectureOf[rows] = architectureIndex(found);
      columns.slots[slot] = rows + 1;
      columns.rows += 1;
      if (columns.rows * 2 > columns.slots.length) growSlots();
    },
    finish(): PackagesIndex {
      return packTable(columns, { count, strongRows });
    },
  };
}

function toRecord(found: PackageBytes): PackageRecord {
  const { bytes, size, sha256Start, sha512Start } = found;
  const text = (start: number, end: number) => view(bytes, start, end).toString('utf8');
  const hex = (start: number, length: number) => text(start, start + 2 * length).toLowerCase();
  return {
    path: text(found.pathStart, found.pathEnd),
    name: text(found.nameStart, found.nameEnd),
    version: text(found.versionStart, found.versionEnd),
    architecture: text(found.architectureStart, found.architectureEnd),
    size,
    sha256: hex(sha256Start, sha256Bytes),
    ...(sha512Start !== -1 && { sha512: hex(sha512Start, sha512Bytes) }),
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

/** For a few dozen bytes quicker than any method; returns where the copy ends. */
function copyBytes(to: Uint8Array, at: number, from: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i += 1) to[at + i - start] = from[i] as number;
  return at + end - start;
}

function writeHex(to: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void {
  for (let i = 0; i < length; i += 1) {
    to[at + i] = (digit(from[start + 2 * i] as number) << 4) | digit(from[start + 2 * i + 1] as number);
  }
}

/** Value of an ASCII hex digit in either case. */
function digit(code: number): number {
  return (code & 0xf) + (code >> 6) * 9;
}

type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** The column itself when it is long enough, else one of at least twice its length with the same beginning. */
function grown<Kind extends Column>(column: Kind, length: number): Kind {
  if (length <= column.length) return column;
  const next = new (column.constructor as new (length: number) => Kind)(Math.max(length, column.length * 2, 1024));
  next.set(column);
  return next;
}
