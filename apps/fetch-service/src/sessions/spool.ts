import { randomBytes } from 'node:crypto';
import { lstat, mkdir, opendir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlobExport, type BlobStore, isHexDigest, type ReportArtifact } from '@waybill/contracts';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import { FileThread, type TextFile } from '../files/file-thread.js';
import { leftBy } from '../files/left-by.js';
import { type ReportSource, reportArtifacts, reportHeader } from '../report/session-report.js';
import { isSessionId } from './token.js';

/** Artifacts written out together: some hundred KiB of text, which take the main thread about two milliseconds. */
const batchSize = 64;
/** Directories with more names are removed in the thread. */
const fewNames = 256;
/** Where files are written until all of them are there; each process has its own. */
const staging = { prefix: '.assets.' } as const;
/** Those that this process writes now: another one with its number may have been killed before it, as in a container. */
const inUse = new Set<string>();
/** How often another process may be faster to publish the same session. */
const publishAttempts = 10;

/** The per-session directories that other programs read. specs/fetch-service.md §6.6 */
export interface Spool {
  readonly root: string;
  /** The session's own directory. */
  pathOf(sessionId: string): string;
  /**
   * Writes `session.json` and, for each artifact, `assets/<sha256>.json` and `assets/<sha256>.data`. May be repeated.
   * @throws FetchServiceError FETCH_SPOOL_WRITE_FAILED
   */
  write(source: ReportSource): Promise<void>;
  /** Removes a session's directory; absent is fine. */
  remove(sessionId: string): Promise<void>;
  /** Removes the bodies in a session's directory and leaves what tells of them; absent is fine. */
  removeBodies(sessionId: string): Promise<void>;
}

/** @param blobs where the bodies lie */
export function createSpool(root: string, blobs: Pick<BlobStore, 'exportMany'>): Spool {
  const thread = new FileThread();
  const pathOf = (sessionId: string) => {
    // The id becomes a path: nothing but the checked form may.
    if (!isSessionId(sessionId)) throw new FetchServiceError('FETCH_SESSION_UNKNOWN', 'not a session id');
    return join(root, sessionId);
  };
  return {
    root,
    pathOf,
    async write(source) {
      const directory = pathOf(source.session.id);
      try {
        await writeSession(directory, source, { blobs, thread });
      } catch (cause) {
        const hint = systemCode(cause) === 'ENOSPC' ? 'free space in the spool, then end the session again' : undefined;
        const text = `the files of session ${source.session.id} cannot be written to ${directory}: ${messageOf(cause)}`;
        throw new FetchServiceError('FETCH_SPOOL_WRITE_FAILED', text, { cause, ...(hint ? { hint } : {}) });
      }
    },
    remove: (sessionId) => removeAll(pathOf(sessionId), thread),
    removeBodies: (sessionId) => removeBodies(pathOf(sessionId), thread),
  };
}

async function removeBodies(directory: string, thread: FileThread): Promise<void> {
  if (!(await isOwn(directory))) return;
  await removeLeft(directory, thread);
  const assets = join(directory, 'assets');
  if (!(await isOwn(assets))) return;
  for await (const { name } of await opendir(assets)) {
    if (name.endsWith('.data')) await rm(join(assets, name), { force: true });
  }
}

/** A directory of one session, which holds files and directories of files; absent is fine. */
async function removeAll(directory: string, thread: FileThread): Promise<void> {
  for (const path of [directory, join(directory, 'assets')]) {
    if (await hasMany(path)) return await thread.remove(directory);
  }
  await rm(directory, { recursive: true, force: true });
}

/** What attempts of killed processes left behind. */
async function removeLeft(directory: string, thread: FileThread): Promise<void> {
  for (const { path } of await leftBy(directory, staging)) await removeAll(path, thread);
  const own = `${staging.prefix}${process.pid}-`;
  const names = await readdir(directory);
  for (const path of names.filter((name) => name.startsWith(own)).map((name) => join(directory, name))) {
    if (!inUse.has(path)) await removeAll(path, thread);
  }
}

async function hasMany(path: string): Promise<boolean> {
  let names = 0;
  try {
    if (!(await lstat(path)).isDirectory()) return false;
    for await (const _ of await opendir(path)) if (++names > fewNames) return true;
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw cause;
  }
  return false;
}

interface Writers {
  readonly blobs: Pick<BlobStore, 'exportMany'>;
  readonly thread: FileThread;
}

/** The files get their place when all of them are there: a crash leaves none behind that are cut short. */
async function writeSession(directory: string, source: ReportSource, writers: Writers): Promise<void> {
  const path = join(directory, `${staging.prefix}${process.pid}-${randomBytes(6).toString('hex')}`);
  await makeOwn(directory);
  await removeLeft(directory, writers.thread);
  inUse.add(path);
  try {
    await makeOwn(path);
    await writeAssets(path, source, writers);
    await publish(path, join(directory, 'assets'), writers.thread);
  } catch (cause) {
    // Room for the next attempt; what cannot be removed now goes with that.
    await removeAll(path, writers.thread).catch(() => undefined);
    throw cause;
  } finally {
    inUse.delete(path);
  }
  await writeFile(join(directory, 'session.json'), `${JSON.stringify(reportHeader(source), undefined, 2)}\n`, readable);
}

/** Replaces what an earlier attempt published, or another process at this moment: it is the same. */
async function publish(from: string, to: string, thread: FileThread): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await removeAll(to, thread);
    try {
      return await rename(from, to);
    } catch (cause) {
      const isTaken = ['ENOTEMPTY', 'EEXIST'].includes(systemCode(cause) ?? '');
      if (!isTaken || attempt === publishAttempts) throw cause;
    }
  }
}

/** One batch is written while the next one is read. */
async function writeAssets(directory: string, source: ReportSource, { blobs, thread }: Writers): Promise<void> {
  let writing: Promise<unknown> = Promise.resolve();
  try {
    for await (const batch of batches(reportArtifacts(source))) {
      const bodies = batch
        .filter(({ metadata }) => metadata['not-kept'] === undefined)
        .map(({ metadata }) => bodyIn(directory, metadata.sha256));
      const texts = batch.map((artifact) => textIn(directory, artifact));
      await writing;
      writing = Promise.all([blobs.exportMany(bodies), writeTexts(texts, thread)]);
      // Waited for in the next round, or below.
      writing.catch(() => undefined);
    }
  } finally {
    await writing;
  }
}

function bodyIn(directory: string, sha256: string): BlobExport {
  if (!isHexDigest('sha256', sha256)) throw new Error(`an artifact is recorded under ${JSON.stringify(sha256)}`);
  return { sha256, path: join(directory, `${sha256}.data`) };
}

function textIn(directory: string, artifact: ReportArtifact): TextFile {
  const text = `${JSON.stringify(artifact, undefined, 2)}\n`;
  return { path: join(directory, `${artifact.metadata.sha256}.json`), text };
}

/** For a few files no thread is started. */
async function writeTexts(files: readonly TextFile[], thread: FileThread): Promise<void> {
  if (files.length === batchSize) return await thread.write(files, readable.mode);
  for (const { path, text } of files) await writeFile(path, text, readable);
}

async function* batches<Item>(items: AsyncIterable<Item>): AsyncGenerator<readonly Item[]> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Whoever reads evidence may, nobody else may change it, whatever the daemon's umask. */
const readable = { mode: 0o644 } as const;

/** A directory that is one itself: through a link in its place files would be removed and written elsewhere. */
async function makeOwn(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o755 });
  await isOwn(path);
}

/** False when there is nothing. @throws Error when it is something else than a directory */
async function isOwn(path: string): Promise<boolean> {
  try {
    if ((await lstat(path)).isDirectory()) return true;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return false;
    throw cause;
  }
  throw new Error(`${path} is no directory but a link to one`);
}
