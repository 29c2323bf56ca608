import { FormatProblem, quote } from './format-problem.js';
import { createLineSplitter } from './line-splitter.js';
import { isSafePath, withoutDot } from './safe-path.js';

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

/** A Packages file as an immutable table: 60 000 packages take about 15 MB. */
export interface PackagesIndex {
  /** Paragraphs of the file. */
  readonly count: number;
  find(path: string): PackageRecord | undefined;
  /** Estimated memory in bytes. */
  readonly weight: number;
}

export const maxPackagesBytes = 2 ** 30;
const maxRecords = 500_000;
const colon = 0x3a;
const space = 0x20;
const tab = 0x09;
const wanted = ['package', 'version', 'architecture', 'filename', 'size', 'sha256', 'sha512'] as const;
type Field = (typeof wanted)[number];
const longestField = 'architecture'.length;

/**
 * Reads the decompressed chunks of a Packages file, looking only at what vouches for packages.
 * @throws FormatProblem for a paragraph without one of Package, Version, Architecture, Filename, Size and SHA256 or with one
 * of them twice, unsafe paths, conflicting paragraphs, over-long lines
 * @see https://wiki.debian.org/DebianRepository/Format#A.22Packages.22_Indices
 */
export async function parsePackages(chunks: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<PackagesIndex> {
  const table = createTable();
  let fields: Partial<Record<Field, string>> = {};
  let open = false;
  let line = 0;

  function closeParagraph(): void {
    if (!open) return;
    table.add(fields, line);
    fields = {};
    open = false;
  }

  const splitter = createLineSplitter((buffer, start, end) => {
    line += 1;
    if (start === end) return closeParagraph();
    const first = buffer[start];
    if (first === space || first === tab) {
      if (!open) throw new FormatProblem(`line ${line} continues a field, but none is open`);
      return;
    }
    open = true;
    const at = fieldEnd(buffer, start, end);
    if (at === -1) throw new FormatProblem(`line ${line} is no field: ${quote(buffer.toString('latin1', start, end))}`);
    const name = wantedField(buffer, start, at);
    if (!name) return;
    if (fields[name] !== undefined) throw new FormatProblem(`line ${line} gives the field ${name} a second time`);
    fields[name] = buffer.toString('utf8', at + 1, end).trim();
  });
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    splitter.push(chunk);
  }
  splitter.end();
  closeParagraph();
  return table.finish();
}

/** Where the colon of a field line is, -1 when there is none or the name is empty or has a blank. */
function fieldEnd(buffer: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at += 1) {
    const code = buffer[at] as number;
    if (code === colon) return at > start ? at : -1;
    if (code <= space || code > 0x7e) return -1;
  }
  return -1;
}

function wantedField(buffer: Buffer, start: number, end: number): Field | undefined {
  if (end - start > longestField) return undefined;
  // A million lines: most are told apart by their first letter.
  const letter = (buffer[start] as number) | 0x20;
  if (letter !== 0x70 && letter !== 0x76 && letter !== 0x61 && letter !== 0x66 && letter !== 0x73) return undefined;
  const name = buffer.toString('latin1', start, end).toLowerCase();
  return (wanted as readonly string[]).includes(name) ? (name as Field) : undefined;
}

function createTable() {
  const rows = new Map<string, number>();
  const names: string[] = [];
  const versions: string[] = [];
  const architectures: string[] = [];
  const sizes: number[] = [];
  const interned = new Map<string, string>();
  const sha256 = createDigestColumn(32);
  const sha512 = createDigestColumn(64);
  let count = 0;
  let textBytes = 0;

  function record(path: string, row: number): PackageRecord {
    return {
      name: names[row] as string,
      version: versions[row] as string,
      architecture: architectures[row] as string,
      path,
      size: sizes[row] as number,
      sha256: sha256.at(row) as string,
      sha512: sha512.at(row),
    };
  }

  return {
    add(fields: Partial<Record<Field, string>>, line: number): void {
      const found = checkFields(fields, line);
      count += 1;
      const known = rows.get(found.path);
      if (known !== undefined) {
        if (isSame(record(found.path, known), found)) return;
        throw new FormatProblem(`two paragraphs (the second ends at line ${line}) disagree about ${quote(found.path)}`);
      }
      if (names.length === maxRecords) throw new FormatProblem(`lists more than ${maxRecords} packages`);
      const row = names.length;
      rows.set(found.path, row);
      names.push(found.name);
      versions.push(found.version);
      architectures.push(interned.get(found.architecture) ?? found.architecture);
      interned.set(found.architecture, architectures[row] as string);
      sizes.push(found.size);
      sha256.set(row, found.sha256);
      if (found.sha512) sha512.set(row, found.sha512);
      textBytes += found.path.length + found.name.length + found.version.length;
    },
    finish(): PackagesIndex {
      // Per row: map entry, three string headers, array slots; measured with --expose-gc it comes to about this.
      const weight = 2048 + textBytes + names.length * 150 + sha256.finish() + sha512.finish();
      return {
        count,
        weight,
        find(path) {
          const row = rows.get(path);
          return row === undefined ? undefined : record(path, row);
        },
      };
    },
  };
}

function checkFields(fields: Partial<Record<Field, string>>, line: number): PackageRecord {
  const { package: name, version, architecture, filename, size, sha256, sha512 } = fields;
  const missing = wanted.filter((field) => field !== 'sha512' && !fields[field]);
  if (!name || !version || !architecture || !filename || !size || !sha256) {
    const of = name ? ` (${quote(name)})` : '';
    throw new FormatProblem(`the paragraph${of} that ends at line ${line} lacks ${missing.join(', ')}`);
  }
  const path = withoutDot(filename);
  if (!isSafePath(path)) throw new FormatProblem(`${quote(name)} has the unsafe Filename ${quote(filename)}`);
  if (!/^\d{1,15}$/.test(size)) throw new FormatProblem(`${quote(name)} has the Size ${quote(size)}`);
  if (!/^[!-~]+$/.test(name) || !/^[!-~]+$/.test(version) || !/^[a-z0-9-]+$/i.test(architecture)) {
    throw new FormatProblem(
      `line ${line} ends a paragraph with Package ${quote(name)}, Version ${quote(version)}, Architecture ${quote(architecture)}`,
    );
  }
  if (!/^[0-9a-f]{64}$/i.test(sha256)) throw new FormatProblem(`${quote(name)} has the SHA256 ${quote(sha256)}`);
  if (sha512 !== undefined && !/^[0-9a-f]{128}$/i.test(sha512)) {
    throw new FormatProblem(`${quote(name)} has the SHA512 ${quote(sha512)}`);
  }
  const digests = { sha256: sha256.toLowerCase(), ...(sha512 && { sha512: sha512.toLowerCase() }) };
  return { name, version, architecture, path, size: Number(size), ...digests };
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

/** Digests as bytes, a quarter of what strings take; nothing is reserved while none is set. */
function createDigestColumn(width: number) {
  let bytes = Buffer.alloc(0);
  const gaps = new Set<number>();
  let rows = 0;
  return {
    set(row: number, hex: string): void {
      if ((row + 1) * width > bytes.length) {
        const larger = Buffer.alloc(Math.max(width * 1024, bytes.length * 2, (row + 1) * width));
        bytes.copy(larger);
        bytes = larger;
      }
      bytes.write(hex, row * width, 'hex');
      // Only gaps are noted: a column that is full, or empty, needs no note.
      if (row > rows) for (let gap = rows; gap < row; gap += 1) gaps.add(gap);
      rows = row + 1;
    },
    at(row: number): string | undefined {
      return row < rows && !gaps.has(row) ? bytes.toString('hex', row * width, (row + 1) * width) : undefined;
    },
    /** Gives back what was reserved too much; the column's memory in bytes. */
    finish(): number {
      bytes = Buffer.from(bytes.subarray(0, rows * width));
      return bytes.length + gaps.size * 40;
    },
  };
}
