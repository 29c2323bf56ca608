import type { BlobStore } from '@waybill/contracts';

/** All of a store's methods as they are, for who stands before it and changes some of them. */
export function forwardTo(blobs: BlobStore): BlobStore {
  return {
    create: (options) => blobs.create(options),
    stat: (sha256) => blobs.stat(sha256),
    resolve: (digest) => blobs.resolve(digest),
    open: (sha256, range) => blobs.open(sha256, range),
    flush: () => blobs.flush(),
    delete: (sha256, options) => blobs.delete(sha256, options),
    compact: () => blobs.compact(),
    list: () => blobs.list(),
    entries: () => blobs.entries(),
    usage: () => blobs.usage(),
    exportTo: (sha256, path) => blobs.exportTo(sha256, path),
    exportMany: (files) => blobs.exportMany(files),
    close: () => blobs.close(),
  };
}
