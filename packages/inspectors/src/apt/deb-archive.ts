import { type ArMember, readArHeader, readArMagic, skipArPadding } from './bytes/ar-archive.js';
import { ByteReader } from './bytes/byte-reader.js';
import { type Compression, decompress } from './bytes/decompress.js';
import { readTar } from './bytes/tar-reader.js';
import { decodeUtf8, type Paragraph, parseDeb822 } from './deb822.js';
import { FormatProblem, messageOf, quote } from './format-problem.js';

/** What a .deb says about itself. */
export interface DebArchive {
  /** The control file's one paragraph. */
  readonly control: Paragraph;
  /** `usr/share/doc/<package>/copyright`, or that of another package's folder when there is no such file. */
  readonly copyright?: string | undefined;
  /** Why there is no `copyright` although there could be one. */
  readonly copyrightNote?: string | undefined;
}

export interface DebLimits {
  /** Decompressed bytes of control.tar. Default 64 MiB. */
  readonly controlBytes?: number;
  /**
   * Decompressed bytes of data.tar that are searched for the copyright file. Default 512 MiB: some ten seconds of xz, while
   * the client waits for the end of its download and gives up after thirty.
   */
  readonly dataBytes?: number;
  /** Default 2 MiB; longer copyright files are cut. */
  readonly copyrightBytes?: number;
}

const maxMembers = 32;
const maxControlFileBytes = 1 << 20;
/** `_`-members that may stand before the others; they are skipped. */
const ignored = /^_/;

/**
 * Reads a .deb: `debian-binary` 2.0, then control.tar, then data.tar, each plain or compressed with gzip, xz or zstd. Only
 * metadata is read, data.tar no further than its copyright file; that nothing is unpacked also means nothing can escape.
 *
 * Takes over the stream and ends it. A data.tar that is too large or damaged costs the copyright file only: what the package
 * holds is its index's word.
 * @throws FormatProblem
 * @see deb(5)
 */
export async function readDeb(
  source: AsyncIterable<Uint8Array>,
  limits: DebLimits = {},
  signal?: AbortSignal,
): Promise<DebArchive> {
  const reader = new ByteReader(source);
  try {
    await readArMagic(reader);
    await readFormatVersion(reader);
    const controlMember = await nextMember(reader, 'control.tar');
    const control = await readControl(reader, controlMember, limits.controlBytes ?? 64 * 2 ** 20, signal);
    const dataMember = await nextMember(reader, 'data.tar');
    const name = control.get('package') ?? '';
    return { control, ...(await findCopyright(reader, dataMember, { name, limits, signal })) };
  } finally {
    await reader.close();
  }
}

async function readFormatVersion(reader: ByteReader): Promise<void> {
  const member = await readArHeader(reader);
  if (member?.name !== 'debian-binary') {
    throw new FormatProblem(`begins with the member ${quote(member?.name ?? '')}, expected debian-binary`);
  }
  if (member.size > 64) throw new FormatProblem(`has a debian-binary of ${member.size} bytes`);
  const text = (await reader.exactly(member.size, 'debian-binary')).toString('latin1');
  if (!/^2\.0\n/.test(text)) throw new FormatProblem(`has the format version ${quote(text.trim())}, expected 2.0`);
  await skipArPadding(reader, member);
}

interface TarMember extends ArMember {
  readonly compression: Compression;
}

async function nextMember(reader: ByteReader, base: 'control.tar' | 'data.tar'): Promise<TarMember> {
  for (let count = 0; count < maxMembers; count += 1) {
    const member = await readArHeader(reader);
    if (!member) throw new FormatProblem(`has no ${base}`);
    if (ignored.test(member.name)) {
      await reader.skip(member.size, member.name);
      await skipArPadding(reader, member);
      continue;
    }
    return { ...member, compression: compressionOf(member.name, base) };
  }
  throw new FormatProblem(`has more than ${maxMembers} members before ${base}`);
}

function compressionOf(name: string, base: string): Compression {
  if (name === base) return 'none';
  const suffix = name.startsWith(`${base}.`) ? name.slice(base.length + 1) : undefined;
  if (suffix === 'gz' || suffix === 'xz' || suffix === 'zst') return suffix;
  if (suffix === undefined) throw new FormatProblem(`has the member ${quote(name)} where ${base} should be`);
  throw new FormatProblem(`has ${quote(name)}, expected ${base} plain or with .gz, .xz or .zst`);
}

async function readControl(
  reader: ByteReader,
  member: TarMember,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Paragraph> {
  const section = reader.section(member.size, member.name);
  const start = reader.position;
  let control: Paragraph | undefined;
  try {
    for await (const entry of readTar(decompress(section, { compression: member.compression, maxBytes, signal }))) {
      if (normalise(entry.path) !== 'control' || entry.type !== 'file') continue;
      if (entry.size > maxControlFileBytes) throw new FormatProblem(`has a control file of ${entry.size} bytes`);
      control = parseControl(await entry.read(entry.size));
      break;
    }
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error;
    throw new FormatProblem(`${member.name}: ${error.message}`);
  }
  if (!control) throw new FormatProblem(`${member.name} has no control file`);
  await reader.skip(start + member.size - reader.position, member.name);
  await skipArPadding(reader, member);
  return control;
}

function parseControl(bytes: Buffer): Paragraph {
  const paragraphs = parseDeb822(decodeUtf8(bytes), { paragraphs: 2 });
  const [control] = paragraphs;
  if (!control || paragraphs.length !== 1) {
    throw new FormatProblem(`the control file has ${paragraphs.length} paragraphs, expected one`);
  }
  const missing = ['package', 'version', 'architecture'].filter((name) => !control.get(name));
  if (missing.length > 0) throw new FormatProblem(`the control file lacks ${missing.join(', ')}`);
  return control;
}

interface CopyrightQuestion {
  readonly name: string;
  readonly limits: DebLimits;
  readonly signal: AbortSignal | undefined;
}

async function findCopyright(
  reader: ByteReader,
  member: TarMember,
  { name, limits, signal }: CopyrightQuestion,
): Promise<Pick<DebArchive, 'copyright' | 'copyrightNote'>> {
  const maxBytes = limits.dataBytes ?? 512 * 2 ** 20;
  const longest = limits.copyrightBytes ?? 2 * 2 ** 20;
  const section = reader.section(member.size, member.name);
  let other: string | undefined;
  let note = 'the package has no usr/share/doc/*/copyright';
  try {
    for await (const entry of readTar(decompress(section, { compression: member.compression, maxBytes, signal }))) {
      const folder = /^usr\/share\/doc\/([^/]+)(\/copyright)?$/.exec(normalise(entry.path));
      if (!folder) continue;
      if (folder[2] && entry.type === 'file') {
        const text = (await entry.read(longest)).toString('utf8');
        if (folder[1] === name) return { copyright: text };
        other ??= text;
      } else if (folder[1] === name && entry.type === 'symlink') {
        note = `its copyright is that of ${quote(entry.linkTarget)}, in another package`;
      }
    }
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error;
    note = `${member.name} ${messageOf(error)}`;
  }
  return other === undefined ? { copyrightNote: note } : { copyright: other };
}

function normalise(path: string): string {
  return path.replace(/^(\.?\/)+/, '');
}
