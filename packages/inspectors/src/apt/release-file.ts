import { isHexDigest } from '@waybill/contracts';
import { continuationLines, type Paragraph, parseDeb822 } from './deb822.js';
import { FormatProblem, quote } from './format-problem.js';
import { parseReleaseDate } from './release-date.js';
import { isSafePath, withoutDot } from './safe-path.js';

/** A file that a release vouches for. */
export interface ReleaseEntry {
  /** Relative to the Release file, e.g. `main/binary-amd64/Packages.xz`. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  readonly sha512?: string | undefined;
}

/** What a Release (or InRelease) file says. */
export interface ReleaseFile {
  readonly origin: string;
  readonly label: string;
  readonly suite: string;
  readonly codename: string;
  /** Empty where there is none, as in Debian's unstable. */
  readonly version: string;
  readonly description: string;
  readonly date: Date;
  readonly validUntil?: Date | undefined;
  readonly architectures: readonly string[];
  readonly components: readonly string[];
  /** One-line header fields with the spelling of their values, names in lower case. */
  readonly fields: Readonly<Record<string, string>>;
  readonly entries: ReadonlyMap<string, ReleaseEntry>;
  /** Entries by `sha256:<hex>` and `sha512:<hex>`, for by-hash requests. */
  readonly byDigest: ReadonlyMap<string, readonly ReleaseEntry[]>;
}

/** Larger Release files are refused; the largest known ones have 300 KiB. */
export const maxReleaseBytes = 4 * 2 ** 20;

/** apt reads a flat repository's release without the others. */
const requiredOfFlat = ['date'];
const required = ['origin', 'label', 'suite', 'codename', 'date', 'architectures', 'components'];

/**
 * Reads a Release file's text, the part that was signed.
 * @throws FormatProblem for missing fields, dates and lines of another shape, conflicting or unsafe entries
 * @see "DebianRepository/Format" in the Debian wiki, Release files
 */
export function parseRelease(text: string, { isFlat = false }: { readonly isFlat?: boolean } = {}): ReleaseFile {
  const paragraphs = parseDeb822(text, { paragraphs: 2, lineBytes: 64 * 1024 });
  const [header] = paragraphs;
  if (!header || paragraphs.length > 1) {
    throw new FormatProblem(`has ${paragraphs.length} paragraphs, expected one`);
  }
  const missing = (isFlat ? requiredOfFlat : required).filter((name) => !header.get(name));
  if (missing.length > 0)
    throw new FormatProblem(`lacks the field${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`);
  const entries = readEntries(header);
  const field = (name: string) => header.get(name) ?? '';
  return {
    origin: field('origin'),
    label: field('label'),
    suite: field('suite'),
    codename: field('codename'),
    version: field('version'),
    description: field('description') || `${field('origin')} ${field('suite')}`,
    date: readDate(header, 'date'),
    validUntil: header.has('valid-until') ? readDate(header, 'valid-until') : undefined,
    architectures: field('architectures').split(/\s+/).filter(Boolean),
    components: field('components').split(/\s+/).filter(Boolean),
    fields: Object.fromEntries([...header].filter(([, value]) => value !== '' && !value.includes('\n'))),
    entries,
    byDigest: indexByDigest(entries.values()),
  };
}

/** Estimated memory of a parsed Release file in bytes. */
export function weighRelease({ entries, fields }: ReleaseFile): number {
  let weight = 4096;
  for (const [name, value] of Object.entries(fields)) weight += 2 * (name.length + value.length) + 128;
  for (const { path, sha512 } of entries.values()) weight += 2 * path.length + 700 + (sha512 ? 500 : 0);
  return weight;
}

function readDate(header: Paragraph, name: string): Date {
  const text = header.get(name) ?? '';
  const date = parseReleaseDate(text);
  if (!date) throw new FormatProblem(`has the ${name} ${quote(text)}, expected e.g. "Sat, 11 Jul 2026 10:16:37 UTC"`);
  return date;
}

/** MD5Sum and SHA1 sections are not looked at: they prove nothing. */
function readEntries(header: Paragraph): Map<string, ReleaseEntry> {
  const section = header.get('sha256');
  if (section === undefined) {
    const weak = ['md5sum', 'sha1'].filter((name) => header.has(name));
    const has = weak.length > 0 ? `only ${weak.join(' and ')}, which are too weak` : 'no list of files';
    throw new FormatProblem(`has no SHA256 section: it has ${has}`);
  }
  const strong = readSection(header.get('sha512') ?? '', 'sha512');
  const entries = new Map<string, ReleaseEntry>();
  for (const [path, { hex, size }] of readSection(section, 'sha256')) {
    const other = strong.get(path);
    if (other && other.size !== size) {
      throw new FormatProblem(`gives ${quote(path)} the size ${size} in SHA256 and ${other.size} in SHA512`);
    }
    entries.set(path, { path, size, sha256: hex, ...(other && { sha512: other.hex }) });
  }
  return entries;
}

function readSection(value: string, algorithm: 'sha256' | 'sha512'): Map<string, { hex: string; size: number }> {
  const found = new Map<string, { hex: string; size: number }>();
  for (const line of continuationLines(value)) {
    if (line === '') continue;
    const match = /^(\S+)\s+(\d{1,15})\s+(\S+)$/.exec(line);
    const [, digest = '', size = '', listed = ''] = match ?? [];
    const path = withoutDot(listed);
    const hex = digest.toLowerCase();
    if (!match || !isHexDigest(algorithm, hex)) throw new FormatProblem(`has the ${algorithm} line ${quote(line)}`);
    if (!isSafePath(path)) throw new FormatProblem(`lists the unsafe path ${quote(path)}`);
    const known = found.get(path);
    if (known && (known.hex !== hex || known.size !== Number(size))) {
      throw new FormatProblem(`lists ${quote(path)} twice with different ${algorithm} digests or sizes`);
    }
    found.set(path, { hex, size: Number(size) });
  }
  return found;
}

function indexByDigest(entries: Iterable<ReleaseEntry>): Map<string, ReleaseEntry[]> {
  const index = new Map<string, ReleaseEntry[]>();
  for (const entry of entries) {
    for (const key of [`sha256:${entry.sha256}`, ...(entry.sha512 ? [`sha512:${entry.sha512}`] : [])]) {
      const known = index.get(key);
      if (known) known.push(entry);
      else index.set(key, [entry]);
    }
  }
  return index;
}
