import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import { makeDirectory } from '../files/make-directory.js';

/** What lies in the spool beside the sessions' own directories, whose names have no dot. */
export interface StatePaths {
  readonly directory: string;
  readonly blobs: string;
  readonly database: string;
  readonly ca: string;
  readonly scratch: string;
}

const probeBytes = 64 * 1024;

/**
 * Makes the spool and finds out whether it can be written before anything depends on it.
 * @throws FetchServiceError FETCH_SPOOL_UNWRITABLE, FETCH_SPOOL_FULL
 */
export async function prepareSpool(root: string): Promise<StatePaths> {
  const directory = join(root, '.waybill');
  try {
    await makeDirectory(directory, 0o700);
    await probe(join(directory, `probe-${process.pid}`));
  } catch (cause) {
    throw spoolError(root, cause);
  }
  const at = (name: string) => join(directory, name);
  return { directory, blobs: at('blobs'), database: at('sessions.db'), ca: at('ca'), scratch: at('scratch') };
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
