import { pathToFileURL } from 'node:url';
import { openBlobStore } from '@waybill/blob-store';
import type { BlobStore, Clock, Logger, SessionStore } from '@waybill/contracts';
import { openSessionStore } from '@waybill/session-store';
import type { StatePaths } from './spool-directory.js';
import { spoolInUse } from './spool-lock.js';

/** Bodies and records. */
export interface Storage {
  readonly blobs: BlobStore;
  readonly store: SessionStore;
  /** Whether other processes store bodies in the same place, and may be about to refer to any of them. */
  readonly areBodiesShared: boolean;
}

/**
 * Opens both stores. With bodies elsewhere the spool keeps copies of them for quick reading.
 * @param slot of this process among those of a daemon; undefined when it is the only one on its spool
 * @throws FetchServiceError FETCH_SPOOL_IN_USE; errors of the stores
 */
export async function openStorage(
  spoolRoot: string,
  paths: StatePaths,
  { databaseUrl, bodiesUrl }: { readonly databaseUrl: string | undefined; readonly bodiesUrl: string | undefined },
  { slot, clock, logger }: { readonly slot: number | undefined; readonly clock: Clock; readonly logger: Logger },
): Promise<Storage> {
  const url = bodiesUrl ?? pathToFileURL(paths.blobs).href;
  const own = slot === undefined ? {} : { slot };
  const blobs = await openBlobStore({ url, cacheDir: paths.blobs, ...own, logger }).catch((cause: unknown) => {
    throw spoolInUse(spoolRoot, cause);
  });
  try {
    const store = await openSessionStore({ url: databaseUrl ?? pathToFileURL(paths.database).href, clock });
    return { blobs, store, areBodiesShared: areBodiesShared(slot, bodiesUrl) };
  } catch (cause) {
    await blobs.close();
    throw cause;
  }
}

/** Processes share the spool, replicas a bucket: nobody can know which replicas there are. */
export function areBodiesShared(slot: number | undefined, bodiesUrl: string | undefined): boolean {
  return slot !== undefined || bodiesUrl !== undefined;
}
