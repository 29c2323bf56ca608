export { BlobStoreError, type BlobStoreErrorCode } from './errors.js';
export { createFileBlobStore, type FileBlobStoreOptions } from './file/create-file-blob-store.js';
export { type DirectoryLock, lockDirectory } from './file/lock.js';
export { type BlobStoreUrl, type OpenBlobStoreOptions, openBlobStore, parseBlobStoreUrl } from './open-blob-store.js';
export { createS3BlobStore } from './s3/create-s3-blob-store.js';
export type { S3BlobStoreOptions, S3Credentials } from './s3/s3-options.js';
