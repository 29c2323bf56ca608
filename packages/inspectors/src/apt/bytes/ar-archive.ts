import { FormatProblem, quote } from '../format-problem.js';
import type { ByteReader } from './byte-reader.js';

/** A member's header; its bytes follow in the reader. */
export interface ArMember {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

const magic = '!<arch>\n';
const headerBytes = 60;

/**
 * Reads the archive's magic.
 * @throws FormatProblem
 * @see ar(5), deb(5)
 */
export async function readArMagic(reader: ByteReader): Promise<void> {
  const found = (await reader.upTo(magic.length)).toString('latin1');
  if (found !== magic) throw new FormatProblem(`is no ar archive: it begins with ${quote(found)}`);
}

/**
 * The next member's header, undefined at the end of the archive. The caller reads the member's `size` bytes and then the
 * padding (`skipArPadding`).
 * @throws FormatProblem
 */
export async function readArHeader(reader: ByteReader): Promise<ArMember | undefined> {
  const header = (await reader.upTo(headerBytes)).toString('latin1');
  if (header === '') return undefined;
  const match = /^(.{16})(.{12})(.{6})(.{6})(.{8})(\d+) *`\n$/s.exec(header);
  const size = Number(match?.[6]);
  if (!match || match[6]?.length === undefined || header.length !== headerBytes || match[6].length > 10) {
    throw new FormatProblem(`has a damaged member header: ${quote(header)}`);
  }
  // GNU ar ends names with a slash.
  const name = (match[1] ?? '').trimEnd().replace(/\/$/, '');
  if (!/^[!-~]+$/.test(name) || name.includes('/')) throw new FormatProblem(`has a member named ${quote(name)}`);
  return { name, size };
}

/** Members begin at even offsets; the last one's padding may be absent. */
export async function skipArPadding(reader: ByteReader, { size }: ArMember): Promise<void> {
  if (size % 2 === 1) await reader.upTo(1);
}
