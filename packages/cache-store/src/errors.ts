import { WaybillError } from '@waybill/contracts';

/** Codes of {@link CacheStoreError}. */
export type CacheStoreErrorCode =
  | 'CACHE_NAMESPACE_UNKNOWN'
  | 'CACHE_NAMESPACE_INVALID'
  | 'CACHE_KEY_INVALID'
  | 'CACHE_BLOB_MISSING'
  | 'CACHE_BLOB_MISMATCH'
  | 'CACHE_BLOB_TOO_LARGE'
  | 'CACHE_RANGE_INVALID'
  | 'CACHE_FULL'
  | 'CACHE_READ_ONLY'
  | 'CACHE_PRINCIPAL_EXISTS'
  | 'CACHE_CLOSED';

/** Anything a cache store refuses or cannot do. */
export class CacheStoreError extends WaybillError<CacheStoreErrorCode> {}

export function closedError(): CacheStoreError {
  return new CacheStoreError('CACHE_CLOSED', 'the cache is closed');
}

export function tooLargeError(size: number, limit: number): CacheStoreError {
  return new CacheStoreError('CACHE_BLOB_TOO_LARGE', `${size} bytes, at most ${limit} are taken`, {
    hint: 'raise the largest body or the quota of the namespace, or keep this one elsewhere',
  });
}

export function fullError(namespace: string, wanted: number): CacheStoreError {
  return new CacheStoreError('CACHE_FULL', `namespace ${namespace} has no room for ${wanted} more bytes`, {
    hint: 'what is leased, pinned or being uploaded is not removed: try again later, or raise the quota',
  });
}

export function readOnlyError(namespace: string): CacheStoreError {
  return new CacheStoreError('CACHE_READ_ONLY', `namespace ${namespace} takes no writes`);
}

export function rangeError(start: number, end: number, size: number): CacheStoreError {
  return new CacheStoreError('CACHE_RANGE_INVALID', `range ${start}-${end} of ${size} bytes`);
}

export function missingError({ sha256, size }: { readonly sha256: string; readonly size: number }): CacheStoreError {
  return new CacheStoreError('CACHE_BLOB_MISSING', `blob ${sha256.slice(0, 64)} of ${size} bytes is not here`, {
    hint: 'upload the blobs before the name',
  });
}

export function mismatchError(found: string, wanted: string): CacheStoreError {
  return new CacheStoreError('CACHE_BLOB_MISMATCH', `${found}, announced was ${wanted}`);
}
