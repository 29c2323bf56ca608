import { createLineSplitter } from './bytes/line-splitter.js';
import { FormatProblem, quote } from './format-problem.js';
import { createPackageTable, type PackageRecord, type PackagesIndex } from './package-table.js';
import { isSafePath, withoutDot } from './safe-path.js';

export const maxPackagesBytes = 2 ** 30;
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
 * @see "DebianRepository/Format" in the Debian wiki, Packages indices
 */
export async function parsePackages(chunks: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<PackagesIndex> {
  const table = createPackageTable();
  let fields: Partial<Record<Field, string>> = {};
  let open = false;
  let line = 0;

  function closeParagraph(): void {
    if (!open) return;
    table.add(checkFields(fields, line), line);
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
