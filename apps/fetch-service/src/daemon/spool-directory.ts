import { chmod, lstat, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import { makeDirectory } from '../files/make-directory.js';

/** What lies in the spool beside the sessions' own directories, whose names have no dot. */
export interface StatePaths {
  readonly directory: string;
  /** Held by the one daemon that uses the spool. */
  readonly lock: string;
  readonly blobs: string;
  readonly database: string;
  readonly ca: string;
  readonly scratch: string;
  /** What the proxy remembers of approved answers. */
  readonly answers: string;
  /** Parsed indexes and the like: may be emptied at any time. */
  readonly derived: string;
}

const probeBytes = 64 * 1024;

/**
 * Makes the spool and finds out whether it can be written before anything depends on it.
 * @throws FetchServiceError FETCH_SPOOL_UNWRITABLE, FETCH_SPOOL_FULL
 */
export async function prepareSpool(root: string): Promise<StatePaths> {
  const paths = statePaths(root);
  try {
    await makeDirectory(paths.directory, 0o700);
    await assertPrivate(root, paths.directory);
    // One name for all: a process that is killed meanwhile leaves at most this one file, and the next takes it away.
    await probe(join(paths.directory, 'probe'));
  } catch (cause) {
    throw spoolError(root, cause);
  }
  return paths;
}

/** Where everything lies in a spool. */
export function statePaths(root: string): StatePaths {
  const directory = join(root, '.waybill');
  const at = (name: string) => join(directory, name);
  return {
    directory,
    lock: at('lock'),
    blobs: at('blobs'),
    database: at('sessions.db'),
    ca: at('ca'),
    scratch: at('scratch'),
    answers: at('answers'),
    derived: at('derived'),
  };
}

/**
 * Keys, tokens' digests and bodies lie there. In a folder where everybody may write, somebody else could have made ours before
 * us, or put another in its place.
 */
async function assertPrivate(root: string, directory: string): Promise<void> {
  const above = await stat(root);
  if ((above.mode & 0o002) !== 0 && (above.mode & 0o1000) === 0) throw new Error('everybody may write there');
  const own = await lstat(directory);
  if (!own.isDirectory()) throw new Error(`${directory} is no directory but a link to one`);
  if (own.uid !== process.geteuid?.()) throw new Error(`${directory} belongs to another user (uid ${own.uid})`);
  if ((own.mode & 0o077) !== 0) await chmod(directory, 0o700);
}

async function probe(path: string): Promise<void> {
  try {
    const file = await open(path, 'w', 0o600);
    try {
      await file.writeFile(Buffer.alloc(probeBytes));
      await file.sync();
    } finally {
      await file.close();
    }
  } finally {
    await rm(path, { force: true });
  }
}

/** Why a spool cannot be used, in words for its operator. */
function spoolError(root: string, cause: unknown): FetchServiceError {
  const code = systemCode(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new FetchServiceError('FETCH_SPOOL_FULL', `the spool ${root} is full (${code})`, {
      hint: 'free space on its file system, or name another directory with --spool=DIR',
      cause,
    });
  }
  return new FetchServiceError('FETCH_SPOOL_UNWRITABLE', `the spool ${root} cannot be written: ${messageOf(cause)}`, {
    hint: 'make it writable for the user of the daemon, or name another directory with --spool=DIR',
    cause,
  });
}
