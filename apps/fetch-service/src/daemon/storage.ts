import { pathToFileURL } from 'node:url';
import { createFileBlobStore } from '@waybill/blob-store';
import { type BlobStore, type Clock, isWaybillError, type Logger, type SessionStore } from '@waybill/contracts';
import { openSessionStore } from '@waybill/session-store';
import { FetchServiceError } from '../errors.js';
import type { StatePaths } from './spool-directory.js';

/** Bodies and records. */
export interface Storage {
  readonly blobs: BlobStore;
  readonly store: SessionStore;
}

/**
 * Opens both stores; the bodies' lock is what keeps a second daemon out of the spool.
 * @throws FetchServiceError FETCH_SPOOL_IN_USE; errors of the stores
 */
export async function openStorage(
  spoolRoot: string,
  paths: StatePaths,
  databaseUrl: string | undefined,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<Storage> {
  const blobs = await createFileBlobStore({ dir: paths.blobs, logger }).catch((cause: unknown) => {
    if (!isWaybillError(cause) || cause.code !== 'BLOB_LOCKED') throw cause;
    throw new FetchServiceError('FETCH_SPOOL_IN_USE', `the spool ${spoolRoot} is in use by another fetch-service`, {
      hint: 'stop that one, or give this one a spool of its own with --spool=DIR',
      cause,
    });
  });
  try {
    const store = await openSessionStore({ url: databaseUrl ?? pathToFileURL(paths.database).href, clock });
    return { blobs, store };
  } catch (cause) {
    await blobs.close();
    throw cause;
  }
}
