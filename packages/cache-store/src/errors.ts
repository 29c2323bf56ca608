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
