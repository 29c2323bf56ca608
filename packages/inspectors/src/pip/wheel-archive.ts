import { createHash } from 'node:crypto';
import { ArchiveError, type ArchiveLimits } from '../archive/expand.js';
import { walkZip, type ZipMember, type ZipSource } from '../archive/zip.js';
import { type CoreMetadata, metadataBytes, readCoreMetadata } from './core-metadata.js';
import { type RecordEntry, readRecord } from './record-file.js';

/** What a wheel says of itself, its RECORD compared with its files. */
export interface WheelContent {
  /** Directory of its metadata, without the slash. */
  readonly infoDirectory: string;
  readonly metadata: CoreMetadata;
  readonly files: number;
  readonly recordEntries: number;
}

const recordBytes = 64 * 2 ** 20;
/** Files that RECORD need not list, because they are made after it. PEP 427 */
const unlisted = new Set(['RECORD', 'RECORD.jws', 'RECORD.p7s']);
const recordHashes: ReadonlySet<string> = new Set(['sha256', 'sha384', 'sha512']);
const mostFaults = 10;

/**
 * Reads a wheel: one `*.dist-info` with METADATA, WHEEL and RECORD, and every file listed in RECORD with its hash and size.
 * @throws ArchiveError
 * @see PEP 427, PEP 376
 */
export async function readWheel(
  source: ZipSource,
  options: { readonly limits: ArchiveLimits; readonly signal: AbortSignal },
): Promise<WheelContent> {
  const info = new Map<string, Buffer>();
  let infoDirectory: string | undefined;
  let files = 0;
  await walkZip(
    source,
    async (member) => {
      if (!isDirectory(member)) files += 1;
      const [, directory, name = ''] = /^([^/]+\.dist-info)\/([^/]*)$/.exec(member.path) ?? [];
      if (directory === undefined) return;
      infoDirectory ??= directory;
      if (directory !== infoDirectory) throw new ArchiveError('the wheel has two .dist-info directories');
      if (name === 'METADATA') info.set(name, await member.read(metadataBytes));
      else if (name === 'RECORD') info.set(name, await member.read(recordBytes));
      else if (name === 'WHEEL') info.set(name, await member.read(1024 * 1024));
    },
    options,
  );
  const [metadata, record] = [info.get('METADATA'), info.get('RECORD')];
  if (infoDirectory === undefined || !metadata || !record || !info.has('WHEEL')) {
    throw new ArchiveError('the wheel has no .dist-info with METADATA, WHEEL and RECORD');
  }
  const entries = readRecord(record);
  await compare(source, { entries, infoDirectory }, options);
  return { infoDirectory, metadata: readCoreMetadata(metadata, 'METADATA'), files, recordEntries: entries.size };
}

async function compare(
  source: ZipSource,
  { entries, infoDirectory }: { readonly entries: ReadonlyMap<string, RecordEntry>; readonly infoDirectory: string },
  options: { readonly limits: ArchiveLimits; readonly signal: AbortSignal },
): Promise<void> {
  const faults: string[] = [];
  const missing = new Set(entries.keys());
  const note = (fault: string) => void (faults.length < mostFaults && faults.push(fault));
  await walkZip(
    source,
    async (member) => {
      if (isDirectory(member)) return;
      missing.delete(member.path);
      const fault = await faultOf(member, entries.get(member.path), infoDirectory);
      if (fault) note(`${JSON.stringify(member.path.slice(0, 200))} ${fault}`);
    },
    options,
  );
  for (const path of missing) note(`${JSON.stringify(path.slice(0, 200))} is listed and missing`);
  if (faults.length > 0) throw new ArchiveError(`RECORD does not fit: ${faults.join('; ')}`);
}

async function faultOf(
  member: ZipMember,
  entry: RecordEntry | undefined,
  infoDirectory: string,
): Promise<string | undefined> {
  const isOwn =
    member.path.startsWith(`${infoDirectory}/`) && unlisted.has(member.path.slice(infoDirectory.length + 1));
  if (!entry) return isOwn ? undefined : 'is not listed';
  if (entry.hash === '') return isOwn ? undefined : 'is listed without a hash';
  const [algorithm = '', expected = ''] = entry.hash.split('=', 2);
  if (!recordHashes.has(algorithm)) return `is listed with ${JSON.stringify(algorithm.slice(0, 40))}, not with sha256`;
  if (entry.size !== '' && Number(entry.size) !== member.size) return `has ${member.size} bytes, not ${entry.size}`;
  const hash = createHash(algorithm);
  for await (const chunk of await member.open()) hash.update(chunk as Buffer);
  return hash.digest('base64url') === expected ? undefined : `has another ${algorithm} than listed`;
}

function isDirectory({ path }: ZipMember): boolean {
  return path.endsWith('/');
}
