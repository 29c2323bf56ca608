import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InspectorError } from '../errors.js';
import { type GitOutcome, runGit } from './git-program.js';
import type { ObjectFormat } from './object-id.js';
import { GitFormatError } from './pkt-line.js';

/** Largest pack that is looked into. */
export const maxPackBytes = 8 * 2 ** 30;

/**
 * Faults that old and honest repositories have and that no client minds. All others (names like `.git` and `..`, dangerous
 * `.gitmodules`, entries twice or out of order) refuse the pack.
 */
const tolerated = [
  'badDate',
  'badDateOverflow',
  'badEmail',
  'badFilemode',
  'badTimezone',
  'emptyName',
  'extraHeaderEntry',
  'gitmodulesParse',
  'missingEmail',
  'missingNameBeforeEmail',
  'missingSpaceBeforeDate',
  'missingSpaceBeforeEmail',
  'missingTaggerEntry',
  'multipleAuthors',
  'nulInCommit',
  'zeroPaddedDate',
  'zeroPaddedFilemode',
];

/** A bare repository that packs are unpacked to for proof; goes with its directory. */
export interface ScratchRepository {
  /** Tells which commits have no parents here; before `addPack`. */
  setShallow(oids: Iterable<string>): Promise<void>;
  /**
   * Computes the id of every object in a pack. A thin pack's bases come from packs added before.
   * @param check `links`: every object that one in the pack refers to must be there, and objects are well-formed
   * @returns bytes and number of objects of the pack
   * @throws GitFormatError when the pack is not what it should be
   */
  addPack(pack: AsyncIterable<Buffer>, check: 'links' | 'objects'): Promise<PackFacts>;
  /** Those of the objects that are not there. */
  missing(oids: readonly string[]): Promise<string[]>;
  /** Ids of the regular files among these paths of a commit's tree; none for what is no commit. */
  files(commit: string, paths: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /**
   * A file's text, wrong UTF-8 replaced; undefined when it is not there.
   * @throws GitFormatError when it is longer than `maxBytes`
   */
  read(oid: string, maxBytes: number): Promise<string | undefined>;
}

export interface PackFacts {
  readonly bytes: number;
  readonly objects: number;
}

export interface ScratchRepositoryOptions {
  /** A directory for this repository alone. */
  readonly directory: string;
  readonly objectFormat: ObjectFormat;
  readonly signal: AbortSignal;
}

/** @throws InspectorError INSPECTOR_PROGRAM_FAILED */
export async function createScratchRepository(options: ScratchRepositoryOptions): Promise<ScratchRepository> {
  const { directory, objectFormat, signal } = options;
  const home = join(directory, 'home');
  const gitDir = join(directory, 'repository.git');
  await mkdir(home, { recursive: true });
  const git = (args: readonly string[], stdin?: Parameters<typeof runGit>[1]['stdin']): Promise<GitOutcome> =>
    runGit(['--git-dir', gitDir, ...args], { home, signal, stdin, maxFileBytes: 2 * maxPackBytes });
  const format = objectFormat === 'sha1' ? [] : [`--object-format=${objectFormat}`];
  const made = await git(['init', '--quiet', '--bare', '--template=', ...format, gitDir]);
  if (made.status !== 0) {
    throw new InspectorError('INSPECTOR_PROGRAM_FAILED', `git init failed: ${faultOf(made.stderr)}`, {
      hint: 'install git 2.30 or newer where the fetch-service runs',
    });
  }
  let packs = 0;

  return {
    async setShallow(oids) {
      const lines = [...oids].map((oid) => `${oid}\n`).join('');
      if (lines === '') await rm(join(gitDir, 'shallow'), { force: true });
      else await writeFile(join(gitDir, 'shallow'), lines);
    },

    async addPack(pack, check) {
      // From a regular file index-pack makes sure that nothing follows the pack.
      packs += 1;
      const path = join(directory, `incoming-${packs}.pack`);
      const facts = await writePack(path, pack, signal);
      const strict = `--strict=${tolerated.map((fault) => `${fault}=ignore`).join(',')}`;
      const incoming = await open(path, 'r');
      try {
        const args = ['index-pack', '--stdin', '--fix-thin', `--max-input-size=${maxPackBytes}`];
        const done = await git([...args, ...(check === 'links' ? [strict] : [])], incoming);
        if (done.status !== 0) throw new GitFormatError(`git index-pack refuses the pack: ${faultOf(done.stderr)}`);
      } finally {
        await incoming.close();
        await rm(path, { force: true });
      }
      return facts;
    },

    async missing(oids) {
      const done = await git(['cat-file', '--batch-check'], `${oids.join('\n')}\n`);
      if (done.status !== 0) throw new GitFormatError(`git cat-file failed: ${faultOf(done.stderr)}`);
      const present = new Set(
        done.stdout.split('\n').map((line) => /^([0-9a-f]+) (?:commit|tag|tree|blob) /.exec(line)?.[1]),
      );
      return oids.filter((oid) => !present.has(oid));
    },

    async files(commit, paths) {
      const done = await git(['ls-tree', '-z', '--full-tree', commit, '--', ...paths]);
      if (done.status !== 0) return new Map();
      const entries = done.stdout.split('\0').map((line) => /^100\d{3} blob ([0-9a-f]+)\t(.*)$/s.exec(line));
      return new Map(entries.flatMap((entry) => (entry ? [[entry[2] as string, entry[1] as string]] : [])));
    },

    async read(oid, maxBytes) {
      const checked = await git(['cat-file', '--batch-check'], `${oid}\n`);
      const size = /^[0-9a-f]+ blob (\d+)$/.exec(checked.stdout.trim())?.[1];
      if (size === undefined) return undefined;
      if (Number(size) > maxBytes) throw new GitFormatError(`a file of ${size} bytes, allowed are ${maxBytes}`);
      const done = await git(['cat-file', 'blob', oid]);
      return done.status === 0 ? done.stdout : undefined;
    },
  };
}

async function writePack(path: string, pack: AsyncIterable<Buffer>, signal: AbortSignal): Promise<PackFacts> {
  const file = await open(path, 'wx', 0o600);
  let bytes = 0;
  let head = Buffer.alloc(0);
  try {
    for await (const chunk of pack) {
      signal.throwIfAborted();
      bytes += chunk.length;
      if (bytes > maxPackBytes) throw new GitFormatError(`the pack is larger than ${maxPackBytes} bytes`);
      if (head.length < 12) head = Buffer.concat([head, chunk]).subarray(0, 12);
      await file.appendFile(chunk);
    }
  } finally {
    await file.close();
  }
  if (head.length < 12 || head.toString('latin1', 0, 4) !== 'PACK')
    throw new GitFormatError('the answer holds no pack');
  return { bytes, objects: head.readUInt32BE(8) };
}

/** The first fault that git names, and what it gave up with. */
function faultOf(stderr: string): string {
  const lines = stderr.split(/[\r\n]+/).filter((line) => line.trim() !== '');
  const error = lines.find((line) => line.startsWith('error:'));
  const fatal = lines.findLast((line) => line.startsWith('fatal:'));
  const found = [error, fatal].filter((line) => line !== undefined);
  return (found.length > 0 ? found.join('; ') : (lines.at(-1) ?? 'no message')).slice(0, 500);
}
