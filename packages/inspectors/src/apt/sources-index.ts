import type { Derivation } from '@waybill/contracts';
import { decompressAny } from './bytes/decompress.js';
import { createLineSplitter } from './bytes/line-splitter.js';
import { FormatProblem, quote } from './format-problem.js';
import { createPackageTable } from './package-table.js';
import { openTable, type PackagesIndex } from './packed-table.js';
import { isSafePath, withoutDot } from './safe-path.js';

/** Architecture of the table's rows: what Debian calls source packages. */
const architecture = 'source';
const maxSourcesBytes = 2 ** 30;
const maxFilesOfPackage = 1_000;

/**
 * The table of a Sources file: a row for each file of each source package. By the digest of the file as it is downloaded; a
 * change of what {@link readSources} accepts, or of the packed form, takes another number.
 */
export const sourcesDerivation: Derivation<PackagesIndex> = {
  id: 'apt.sources/1',
  weigh: ({ weight }) => weight,
  pack: ({ packed }) => packed,
  unpack: openTable,
};

/**
 * Reads a Sources file in whatever compression.
 * @throws FormatProblem
 */
export async function readSources(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<PackagesIndex> {
  return parseSources(decompressAny(bytes, { maxBytes: maxSourcesBytes, signal }), signal);
}

const wanted = ['package', 'version', 'directory', 'checksums-sha256', 'checksums-sha512'] as const;
type Field = (typeof wanted)[number];

/** What a paragraph says of one of its files. */
interface SourceFile {
  readonly hex: string;
  readonly size: number;
}

/**
 * Reads the decompressed chunks of a Sources file, looking only at what vouches for files: the SHA-256 and SHA-512 lists. `Files`
 * and `Checksums-Sha1` prove nothing.
 * @throws FormatProblem for a paragraph without one of Package, Version, Directory and Checksums-Sha256 or with one of them twice,
 * unsafe paths, paragraphs that disagree about a file, over-long lines
 * @see "DebianRepository/Format" in the Debian wiki, Sources indices; dsc(5)
 */
export async function parseSources(chunks: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<PackagesIndex> {
  const table = createPackageTable();
  /** Digests by path: versions of a package share their upstream archive, which the table keeps under the first one. */
  const known = new Map<string, string>();
  let fields = new Map<Field, string[]>();
  let current: string[] | undefined;
  let isOpen = false;
  let line = 0;

  function closeParagraph(): void {
    if (isOpen) addPackage(fields, line, { table, known });
    fields = new Map();
    current = undefined;
    isOpen = false;
  }

  const splitter = createLineSplitter((buffer, start, end) => {
    line += 1;
    if (start === end) return closeParagraph();
    const first = buffer[start];
    if (first === 0x20 || first === 0x09) {
      if (!isOpen) throw new FormatProblem(`line ${line} continues a field, but none is open`);
      if (current?.length === maxFilesOfPackage) throw new FormatProblem(`line ${line} is one too many of its field`);
      current?.push(buffer.toString('utf8', start, end).trim());
      return;
    }
    isOpen = true;
    const colon = buffer.indexOf(0x3a, start);
    if (colon === -1 || colon >= end || colon === start)
      throw new FormatProblem(`line ${line} is no field: ${quote(buffer.toString('latin1', start, end))}`);
    const name = wanted.find((field) => field.length === colon - start && isNamed(buffer, start, field));
    current = undefined;
    if (name === undefined) return;
    if (fields.has(name)) throw new FormatProblem(`line ${line} gives the field ${name} a second time`);
    current = [buffer.toString('utf8', colon + 1, end).trim()];
    fields.set(name, current);
  });
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    splitter.push(chunk);
  }
  splitter.end();
  closeParagraph();
  return table.finish();
}

interface Collected {
  readonly table: ReturnType<typeof createPackageTable>;
  readonly known: Map<string, string>;
}

function addPackage(fields: ReadonlyMap<Field, string[]>, line: number, { table, known }: Collected): void {
  const text = (name: Field) => fields.get(name)?.[0] ?? '';
  const [name, version, directory] = [text('package'), text('version'), text('directory')];
  const missing = wanted.slice(0, 4).filter((field) => !fields.has(field));
  if (missing.length > 0) {
    const of = name === '' ? '' : ` (${quote(name)})`;
    throw new FormatProblem(`the paragraph${of} that ends at line ${line} lacks ${missing.join(', ')}`);
  }
  if (!/^[!-~]{1,512}$/.test(name) || !/^[!-~]{1,512}$/.test(version)) {
    throw new FormatProblem(`line ${line} ends a paragraph with Package ${quote(name)}, Version ${quote(version)}`);
  }
  const folder = directory === '.' || directory === './' || directory === '' ? '' : `${withoutDot(directory)}/`;
  const strong = readList(fields.get('checksums-sha512') ?? [], 128, name);
  for (const [file, { hex, size }] of readList(fields.get('checksums-sha256') ?? [], 64, name)) {
    const path = `${folder}${file}`;
    if (file.includes('/') || !isSafePath(path))
      throw new FormatProblem(`${quote(name)} has the unsafe file ${quote(path)}`);
    const other = strong.get(file);
    if (other && other.size !== size) throw new FormatProblem(`${quote(name)} gives ${quote(file)} two sizes`);
    const digest = `${size} ${hex}`;
    const before = known.get(path);
    if (before !== undefined && before !== digest)
      throw new FormatProblem(`two paragraphs disagree about ${quote(path)}`);
    if (before !== undefined) continue;
    known.set(path, digest);
    table.add(rowOf([path, name, version, architecture, hex, other?.hex ?? ''], size), line);
  }
}

/** Lines `<hex> <size> <file>` after the field's own. */
function readList(lines: readonly string[], digits: number, name: string): Map<string, SourceFile> {
  const found = new Map<string, SourceFile>();
  for (const line of lines.filter((text) => text !== '')) {
    const [hex = '', size = '', file = '', ...more] = line.split(/[ \t]+/, 4);
    const isGood = hex.length === digits && /^[0-9a-fA-F]+$/.test(hex) && /^\d{1,15}$/.test(size) && file !== '';
    if (!isGood || more.length > 0) throw new FormatProblem(`${quote(name)} has the checksum line ${quote(line)}`);
    if (found.has(file)) throw new FormatProblem(`${quote(name)} lists ${quote(file)} twice`);
    found.set(file, { hex: hex.toLowerCase(), size: Number(size) });
  }
  return found;
}

function rowOf(texts: readonly [string, string, string, string, string, string], size: number) {
  const parts = texts.map((text) => Buffer.from(text));
  let at = 0;
  const places = parts.map((part) => {
    at += part.length;
    return { start: at - part.length, end: at };
  }) as { start: number; end: number }[];
  const [path, name, version, arch, sha256, sha512] = places as [Place, Place, Place, Place, Place, Place];
  return {
    bytes: Buffer.concat(parts),
    ...{ pathStart: path.start, pathEnd: path.end, nameStart: name.start, nameEnd: name.end },
    ...{ versionStart: version.start, versionEnd: version.end },
    ...{ architectureStart: arch.start, architectureEnd: arch.end },
    size,
    sha256Start: sha256.start,
    sha512Start: texts[5] === '' ? -1 : sha512.start,
  };
}

type Place = { readonly start: number; readonly end: number };

function isNamed(buffer: Buffer, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i += 1) {
    const code = buffer[start + i] as number;
    if ((code >= 0x41 && code <= 0x5a ? code | 0x20 : code) !== name.charCodeAt(i)) return false;
  }
  return true;
}
