import { constants, cp, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createFileBlobStore } from '@waybill/blob-store';
import type { BlobStore, SessionState, SessionStore } from '@waybill/contracts';
import { copySessionDatabase, openSessionStore } from '@waybill/session-store';
import { type StatePaths, statePaths } from '../daemon/spool-directory.js';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import { makeDirectory } from '../files/make-directory.js';
import { isSessionId } from '../sessions/token.js';
import { type CopiedBodies, createBodyCopier } from './copy-bodies.js';

/** No daemon has so many processes; the copy must not take the place of one that starts meanwhile. */
const slot = 1023;
const states: readonly SessionState[] = ['open', 'revoked', 'expired', 'ended'];

/** What was copied. */
export interface BackupResult extends CopiedBodies {
  readonly sessions: number;
  /** Sessions that were deleted while the copy was made: they are not in it. */
  readonly deleted: number;
}

/** What to copy. */
export interface BackupOptions {
  readonly spoolRoot: string;
  /** Directory to make. */
  readonly target: string;
  /** PostgreSQL, which has programs of its own for this: only the bodies that it names are copied. */
  readonly databaseUrl?: string | undefined;
}

/**
 * Copies a spool with its SQLite database into a new directory that can be used as a spool, while a daemon works on it: the
 * database as it is at one moment, then the bodies that it names, each verified. A session whose bodies were discarded
 * meanwhile was deleted meanwhile, and is left out.
 * @throws FetchServiceError FETCH_BACKUP_FAILED; errors of the stores
 */
export async function backUp({ spoolRoot, target, databaseUrl }: BackupOptions): Promise<BackupResult> {
  const [from, to] = [statePaths(spoolRoot), statePaths(target)];
  try {
    await makeTarget(to, target);
    if (databaseUrl === undefined) await copySessionDatabase(from.database, to.database);
    const result = await copyBodies(from, to, databaseUrl);
    await copyFiles(spoolRoot, target, await sessionsIn(databaseUrl ?? pathToFileURL(to.database).href));
    return result;
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause;
    throw failed(`the backup in ${target} is not complete: ${messageOf(cause)}`, 'remove it, and try again', cause);
  }
}

async function makeTarget(to: StatePaths, target: string): Promise<void> {
  const found = await readdir(target).catch((cause: unknown) => {
    if (systemCode(cause) !== 'ENOENT') throw cause;
    return [];
  });
  if (found.length > 0) throw failed(`${target} is not empty`, 'name a directory that does not exist');
  await makeDirectory(to.directory, 0o700);
}

async function copyBodies(from: StatePaths, to: StatePaths, databaseUrl: string | undefined): Promise<BackupResult> {
  const opened: { close(): Promise<void> }[] = [];
  const keep = <Store extends { close(): Promise<void> }>(store: Store): Store => {
    opened.unshift(store);
    return store;
  };
  try {
    const url = databaseUrl ?? pathToFileURL(from.database).href;
    const live = keep(await openSessionStore({ url, migrate: false }));
    const copy =
      databaseUrl === undefined ? keep(await openSessionStore({ url: pathToFileURL(to.database).href })) : live;
    const source = keep(await createFileBlobStore({ dir: from.blobs, slot }));
    const target = keep(await createFileBlobStore({ dir: to.blobs }));
    return await copyNamed({ live, copy, source, target });
  } finally {
    for (const store of opened) await store.close();
  }
}

interface Stores {
  readonly live: SessionStore;
  readonly copy: SessionStore;
  readonly source: BlobStore;
  readonly target: BlobStore;
}

async function copyNamed({ live, copy, source, target }: Stores): Promise<BackupResult> {
  const copier = createBodyCopier(source, target);
  let [sessions, deleted] = [0, 0];
  for (const { id } of await copy.listSessions(states)) {
    const missing = await copier.copyAll(copy.digests(id));
    // A body that is missing although its session is there was never kept: that of a refused answer, for instance.
    if (missing > 0 && !(await live.getSession(id))) {
      await copy.deleteSession(id);
      deleted++;
    } else sessions++;
  }
  await target.flush();
  return { sessions, deleted, ...copier.copied };
}

async function sessionsIn(url: string): Promise<string[]> {
  const store = await openSessionStore({ url, migrate: false });
  try {
    return (await store.listSessions(states)).map(({ id }) => id);
  } finally {
    await store.close();
  }
}

/** The CA, and what sessions that are over have left for other programs. */
async function copyFiles(spoolRoot: string, target: string, sessions: readonly string[]): Promise<void> {
  const names = [join('.waybill', 'ca'), ...sessions.filter(isSessionId)];
  for (const name of names) {
    await cp(join(spoolRoot, name), join(target, name), {
      recursive: true,
      mode: constants.COPYFILE_FICLONE,
      preserveTimestamps: true,
    }).catch((cause: unknown) => {
      // None was written, or it was removed meanwhile.
      if (systemCode(cause) !== 'ENOENT') throw cause;
    });
  }
  const directory = await open(target, 'r');
  await directory.sync();
  await directory.close();
}

function failed(message: string, hint: string, cause?: unknown): FetchServiceError {
  return new FetchServiceError('FETCH_BACKUP_FAILED', message, { hint, cause });
}
