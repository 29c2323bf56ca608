import { type BlobStore, silentLogger, systemClock } from '@waybill/contracts';
import { BlobStoreError } from '../errors.js';
import { createFileBlobStore } from '../file/create-file-blob-store.js';
import { Doomed } from './doomed.js';
import { Inventory } from './inventory.js';
import { LocalCache } from './local-cache.js';
import { Pointers } from './pointers.js';
import { RemoteReads } from './remote-reads.js';
import { S3BlobStore } from './s3-blob-store.js';
import { openS3Access } from './s3-client.js';
import { s3Error } from './s3-failure.js';
import { S3Objects } from './s3-objects.js';
import { describeLocation, locationOf, type S3BlobStoreOptions, type S3Location } from './s3-options.js';
import { SignedRequests } from './signed-requests.js';
import { Uploads } from './uploads.js';

const mebibyte = 1024 * 1024;
const minute = 60_000;

/** See `createS3BlobStore`. */
export async function openS3BlobStore(options: S3BlobStoreOptions): Promise<BlobStore> {
  const location = locationOf(options);
  const place = describeLocation(location);
  const { clock = systemClock, logger = silentLogger, smallBytes = 256 * 1024 } = options;
  const { connections = 64, partBytes = 8 * mebibyte, giveUpAfterMs = 30_000, useLagMs = 60 * minute } = options;
  const objects = await openObjects(location, { ...options, connections, partBytes, giveUpAfterMs }, place);
  try {
    const graceMs = options.graceMs ?? 5 * minute;
    const doomed = new Doomed({ objects, clock, graceMs });
    await doomed.list().catch((error) => {
      throw s3Error(error, 'use', place);
    });
    const { cacheDir, slot = 'auto' } = options;
    const store = await createFileBlobStore({ dir: cacheDir, slot, smallBytes, clock, logger });
    const pointers = new Pointers(objects, logger);
    const uploads = new Uploads({
      objects,
      local: store,
      partBytes,
      useLagMs,
      clock,
      logger,
      place,
      onStored: (info) => pointers.write(info),
    });
    const cache = new LocalCache({
      store,
      maxBytes: options.cacheBytes ?? 10 * 1024 * mebibyte,
      clock,
      logger,
      isPinned: (name) => uploads.isPending(name),
    });
    const reads = new RemoteReads({
      objects,
      local: store,
      giveUpAfterMs,
      place,
      logger,
      onDamage: (name) => uploads.distrust(name),
      onCopy: () => cache.check(),
    });
    return new S3BlobStore({
      objects,
      cache,
      uploads,
      reads,
      pointers,
      inventory: new Inventory({ objects, uploads, clock, usageMaxAgeMs: options.usageMaxAgeMs ?? 60 * minute }),
      doomed,
      clock,
      smallBytes,
      useLagMs,
      graceMs,
      staleUploadMs: options.staleUploadMs ?? 24 * 60 * minute,
      place,
    });
  } catch (error) {
    objects.close();
    throw error;
  }
}

async function openObjects(
  location: S3Location,
  options: S3BlobStoreOptions & {
    readonly connections: number;
    readonly partBytes: number;
    readonly giveUpAfterMs: number;
  },
  place: string,
): Promise<S3Objects> {
  const { connections, partBytes, giveUpAfterMs, timeoutMs = 15_000 } = options;
  if (partBytes < 5 * mebibyte) {
    throw new BlobStoreError('BLOB_URL_INVALID', `partBytes is ${partBytes}, wanted at least ${5 * mebibyte}`);
  }
  try {
    const access = await openS3Access(location, { timeoutMs, connections });
    const requests = new SignedRequests(access, { timeoutMs, connections });
    return new S3Objects({ access, requests, location, patience: { giveUpAfterMs }, connections, partBytes });
  } catch (error) {
    throw s3Error(error, 'use', place);
  }
}
