import { createLineSplitter } from './bytes/line-splitter.js';
import { FormatProblem, quote } from './format-problem.js';
import type { PackageRecord } from './package-columns.js';
import { PackageParagraph, wantedFields } from './package-paragraph.js';
import { createPackageTable, type PackageBytes } from './package-table.js';
import type { PackagesIndex } from './packed-table.js';
import { isSafePath, withoutDot } from './safe-path.js';

export const maxPackagesBytes = 2 ** 30;
const colon = 0x3a;
const space = 0x20;
const tab = 0x09;
const names = wantedFields.map((name) => Buffer.from(name));
type Field = (typeof wantedFields)[number];

/**
 * Reads the decompressed chunks of a Packages file, looking only at what vouches for packages. Fields stay bytes on their way
 * into the table; only a paragraph with anything out of the ordinary becomes text, and is looked at as such.
 * @throws FormatProblem for a paragraph without one of Package, Version, Architecture, Filename, Size and SHA256 or with one
 * of them twice, unsafe paths, conflicting paragraphs, over-long lines
 * @see "DebianRepository/Format" in the Debian wiki, Packages indices
 */
export async function parsePackages(chunks: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<PackagesIndex> {
  const table = createPackageTable();
  const paragraph = new PackageParagraph();
  let line = 0;
  let open = false;

  function closeParagraph(): void {
    if (!open) return;
    table.add(paragraph.plainRow() ?? checkedRow(paragraph, line), line);
    paragraph.clear();
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
    const field = wantedField(buffer, start, at);
    if (field === -1) return;
    if (paragraph.has(field))
      throw new FormatProblem(`line ${line} gives the field ${wantedFields[field]} a second time`);
    paragraph.take(field, buffer, at + 1, end);
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

/** Place in `wantedFields`, -1 for other fields. A million lines: most are told apart by the length of their name. */
function wantedField(buffer: Buffer, start: number, end: number): number {
  for (let field = 0; field < names.length; field += 1) {
    const name = names[field] as Buffer;
    if (name.length === end - start && isName(buffer, start, name)) return field;
  }
  return -1;
}

function isName(buffer: Buffer, start: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i += 1) {
    const code = buffer[start + i] as number;
    const lower = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
    if (lower !== name[i]) return false;
  }
  return true;
}

/** The same for a paragraph that is not plain: it is wrong, or has a path that is unusual. */
function checkedRow(paragraph: PackageParagraph, line: number): PackageBytes {
  const record = checkFields(
    Object.fromEntries(wantedFields.map((name, field) => [name, paragraph.text(field)])) as Partial<
      Record<Field, string>
    >,
    line,
  );
  const { path, name, version, architecture, sha256, sha512 = '' } = record;
  const parts = [path, name, version, architecture, sha256, sha512].map((text) => Buffer.from(text));
  let at = 0;
  const starts = parts.map((part) => {
    at += part.length;
    return at - part.length;
  });
  const place = (index: number) => ({ start: starts[index] as number, end: starts[index + 1] ?? at });
  const [pathPlace, namePlace, versionPlace, architecturePlace] = [place(0), place(1), place(2), place(3)];
  return {
    bytes: Buffer.concat(parts),
    pathStart: pathPlace.start,
    pathEnd: pathPlace.end,
    nameStart: namePlace.start,
    nameEnd: namePlace.end,
    versionStart: versionPlace.start,
    versionEnd: versionPlace.end,
    architectureStart: architecturePlace.start,
    architectureEnd: architecturePlace.end,
    size: record.size,
    sha256Start: place(4).start,
    sha512Start: sha512 === '' ? -1 : place(5).start,
  };
}

function checkFields(fields: Partial<Record<Field, string>>, line: number): PackageRecord {
  const { package: name, version, architecture, filename, size, sha256, sha512 } = fields;
  const missing = wantedFields.filter((field) => field !== 'sha512' && !fields[field]);
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
