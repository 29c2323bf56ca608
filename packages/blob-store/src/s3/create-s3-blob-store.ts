import type { BlobStore } from '@waybill/contracts';
import type { S3BlobStoreOptions } from './s3-options.js';

/**
 * Opens blobs in a bucket of an S3-compatible service that any number of processes and machines may share. Asks the service
 * once, so that a wrong endpoint, bucket or credential is told at once. The AWS SDK is loaded now, not before.
 * @throws BlobStoreError BLOB_URL_INVALID, BLOB_STORAGE_FAILED, BLOB_STORAGE_FULL, BLOB_LOCKED
 */
export async function createS3BlobStore(options: S3BlobStoreOptions): Promise<BlobStore> {
  const { openS3BlobStore } = await import('./open-s3-blob-store.js');
  return await openS3BlobStore(options);
}
