import { FormatProblem, quote } from '../format-problem.js';
import { ByteReader } from './byte-reader.js';

export type TarEntryType = 'file' | 'directory' | 'symlink' | 'link' | 'other';

/** An entry; `read` or nothing at all, before the next one is asked for. */
export interface TarEntry {
  /** As written, e.g. `./usr/share/doc/x/copyright`. */
  readonly path: string;
  readonly type: TarEntryType;
  /** Bytes. */
  readonly size: number;
  readonly linkTarget: string;
  /**
   * The content, at most `longest` bytes of it.
   * @throws FormatProblem when the archive ends before
   */
  read(longest: number): Promise<Buffer>;
}

const blockBytes = 512;
/** Long names and pax headers are held in memory, so they are bounded. */
const maxMetaBytes = 64 * 1024;
const maxEntries = 2_000_000;

const types: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '5': 'directory',
  '2': 'symlink',
  '1': 'link',
};

/**
 * Entries of a tar archive (ustar, GNU, pax) in their order. Holds one block and one long name at a time, whatever the
 * archive claims; entry contents that are not read are skipped as they stream by.
 * @throws FormatProblem for a header with a wrong checksum or number, over-long names, an archive that ends inside an entry
 */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = new ByteReader(chunks);
  try {
    yield* entriesOf(reader);
  } finally {
    await reader.close();
  }
}

async function* entriesOf(reader: ByteReader): AsyncGenerator<TarEntry> {
  let extended: Partial<Record<'path' | 'linkpath' | 'size', string>> = {};
  for (let count = 0; count < maxEntries; count += 1) {
    const block = await reader.upTo(blockBytes);
    // Two empty blocks end an archive; its plain end is accepted too, as dpkg does.
    if (block.length === 0 || block.every((byte) => byte === 0)) return;
    if (block.length < blockBytes) throw new FormatProblem(`tar archive ends inside a header (${block.length} bytes)`);
    const header = parseHeader(block);
    if (header.flag === 'L' || header.flag === 'K' || header.flag === 'x' || header.flag === 'g') {
      const meta = await readMeta(reader, header.size);
      if (header.flag === 'L') extended.path = trimNul(meta.toString('utf8'));
      else if (header.flag === 'K') extended.linkpath = trimNul(meta.toString('utf8'));
      else if (header.flag === 'x') extended = { ...extended, ...parsePax(meta) };
      continue;
    }
    const size = extended.size === undefined ? header.size : parseDecimal(extended.size);
    const bodyStart = reader.position;
    const holdsBytes = !['1', '2', '3', '4', '5', '6'].includes(header.flag);
    const bodyBytes = holdsBytes ? size : 0;
    const path = extended.path ?? header.path;
    yield {
      path,
      type: types[header.flag] ?? 'other',
      size: bodyBytes,
      linkTarget: extended.linkpath ?? header.linkTarget,
      read: (longest) => reader.exactly(Math.min(longest, bodyBytes), `tar entry ${quote(path)}`),
    };
    extended = {};
    const padded = Math.ceil(bodyBytes / blockBytes) * blockBytes;
    const rest = bodyStart + bodyBytes - reader.position;
    await reader.skip(rest, `tar entry ${quote(path)}`);
    // The last entry's padding may be cut off together with the empty blocks.
    await reader.upTo(padded - bodyBytes);
  }
  throw new FormatProblem(`tar archive has more than ${maxEntries} entries`);
}

async function readMeta(reader: ByteReader, size: number): Promise<Buffer> {
  if (size > maxMetaBytes) throw new FormatProblem(`tar archive has a name of ${size} bytes`);
  const meta = await reader.exactly(size, 'tar name');
  await reader.exactly((blockBytes - (size % blockBytes)) % blockBytes, 'tar name');
  return meta;
}

function parseHeader(block: Buffer) {
  const text = (start: number, length: number) => trimNul(block.toString('utf8', start, start + length));
  if (parseOctal(block, 148, 8) !== checksum(block))
    throw new FormatProblem('tar archive has a header with a wrong checksum');
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? text(345, 155) : '';
  const name = text(0, 100);
  return {
    path: prefix ? `${prefix}/${name}` : name,
    flag: String.fromCharCode(block[156] as number),
    size: parseNumber(block, 124, 12),
    linkTarget: text(157, 100),
  };
}

function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockBytes; at += 1) if (at < 148 || at >= 156) sum += block[at] as number;
  return sum;
}

/** Octal text, or GNU's base 256 with the top bit set. */
function parseNumber(block: Buffer, start: number, length: number): number {
  if (((block[start] as number) & 0x80) === 0) return parseOctal(block, start, length);
  let value = BigInt((block[start] as number) & 0x7f);
  for (let at = start + 1; at < start + length; at += 1) value = value * 256n + BigInt(block[at] as number);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatProblem('tar archive has a number that is too large');
  return Number(value);
}

function parseOctal(block: Buffer, start: number, length: number): number {
  const text = block
    .toString('latin1', start, start + length)
    .replace(/\0.*$/s, '')
    .trim();
  if (!/^[0-7]*$/.test(text)) throw new FormatProblem(`tar archive has the number ${quote(text)}`);
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function parseDecimal(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new FormatProblem(`tar archive has the size ${quote(text)}`);
  return Number(text);
}

/** `<length> <key>=<value>\n` records. */
function parsePax(meta: Buffer): Partial<Record<'path' | 'linkpath' | 'size', string>> {
  const found: Partial<Record<'path' | 'linkpath' | 'size', string>> = {};
  for (let at = 0; at < meta.length; ) {
    const space = meta.indexOf(0x20, at);
    const length = space === -1 ? Number.NaN : Number(meta.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at + 1 || at + length > meta.length) {
      throw new FormatProblem('tar archive has a damaged pax header');
    }
    const record = meta.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    const key = record.slice(0, equals);
    if (key === 'path' || key === 'linkpath' || key === 'size') found[key] = record.slice(equals + 1);
    at += length;
  }
  return found;
}

function trimNul(text: string): string {
  const nul = text.indexOf('\0');
  return nul === -1 ? text : text.slice(0, nul);
}
