export { createFileBlobStore, type FileBlobStoreOptions } from './create-file-blob-store.js';
export { BlobStoreError, type BlobStoreErrorCode } from './errors.js';
