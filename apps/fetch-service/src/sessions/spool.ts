import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlobStore, isHexDigest } from '@waybill/contracts';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import { type ReportSource, reportArtifacts, reportHeader } from '../report/session-report.js';
import { isSessionId } from './token.js';

/** Bodies written out at once: each is a hard link or a copy. */
const parallelExports = 8;

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
}

/** @param blobs where the bodies lie */
export function createSpool(root: string, blobs: Pick<BlobStore, 'exportTo'>): Spool {
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
        await writeSession(directory, source, blobs);
      } catch (cause) {
        const hint = systemCode(cause) === 'ENOSPC' ? 'free space in the spool, then end the session again' : undefined;
        const text = `the files of session ${source.session.id} cannot be written to ${directory}: ${messageOf(cause)}`;
        throw new FetchServiceError('FETCH_SPOOL_WRITE_FAILED', text, { cause, ...(hint ? { hint } : {}) });
      }
    },
    remove: (sessionId) => rm(pathOf(sessionId), { recursive: true, force: true }),
  };
}

async function writeSession(
  directory: string,
  source: ReportSource,
  blobs: Pick<BlobStore, 'exportTo'>,
): Promise<void> {
  const assets = join(directory, 'assets');
  // What an attempt that was killed left behind goes first: parts of files, and files cut short.
  await rm(assets, { recursive: true, force: true });
  await mkdir(assets, { recursive: true });
  await forEachParallel(reportArtifacts(source), parallelExports, async (artifact) => {
    const { sha256 } = artifact.metadata;
    if (!isHexDigest('sha256', sha256)) throw new Error(`an artifact is recorded under ${JSON.stringify(sha256)}`);
    await writeAsset(join(assets, sha256), artifact, sha256, blobs);
  });
  await writeFile(join(directory, 'session.json'), `${JSON.stringify(reportHeader(source), undefined, 2)}\n`);
}

async function writeAsset(
  path: string,
  artifact: unknown,
  sha256: string,
  blobs: Pick<BlobStore, 'exportTo'>,
): Promise<void> {
  await blobs.exportTo(sha256, `${path}.data`);
  await writeFile(`${path}.json`, `${JSON.stringify(artifact, undefined, 2)}\n`);
}

/** Runs at most `limit` tasks at a time; after a failure no more are begun, and those that run are waited for. */
async function forEachParallel<Item>(
  items: AsyncIterable<Item>,
  limit: number,
  task: (item: Item) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  for await (const item of items) {
    const one: Promise<void> = task(item)
      .catch((cause: unknown) => {
        failures.push(cause);
      })
      .finally(() => running.delete(one));
    running.add(one);
    if (running.size >= limit) await Promise.race(running);
    if (failures.length > 0) break;
  }
  await Promise.all(running);
  if (failures.length > 0) throw failures[0];
}
