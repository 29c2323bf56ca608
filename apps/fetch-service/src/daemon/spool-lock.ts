import { type DirectoryLock, lockDirectory } from '@waybill/blob-store';
import { isWaybillError } from '@waybill/contracts';
import { FetchServiceError } from '../errors.js';
import { statePaths } from './spool-directory.js';

/**
 * Keeps other daemons out of a spool as long as this one runs. The locks of the bodies would not: each process has one under a
 * number of its own, and after `fetchctl restart` the first numbers are free.
 * @throws FetchServiceError FETCH_SPOOL_IN_USE; errors of the blob store
 */
export async function lockSpool(root: string): Promise<DirectoryLock> {
  return lockDirectory(statePaths(root).lock).catch((cause: unknown) => {
    throw spoolInUse(root, cause);
  });
}

/** What a lock that somebody else holds means for the operator; other causes are given back as they are. */
export function spoolInUse(root: string, cause: unknown): unknown {
  if (!isWaybillError(cause) || cause.code !== 'BLOB_LOCKED') return cause;
  return new FetchServiceError('FETCH_SPOOL_IN_USE', `the spool ${root} is in use by another fetch-service`, {
    hint: 'stop that one, or give this one a spool of its own with --spool=DIR',
    cause,
  });
}
