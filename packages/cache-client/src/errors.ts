import { WaybillError } from '@waybill/contracts';

/** Codes of {@link CacheClientError}. */
export type CacheClientErrorCode =
  | 'CACHE_CONFIG_INVALID'
  | 'CACHE_REMOTE_UNREACHABLE'
  | 'CACHE_REMOTE_REFUSED'
  | 'CACHE_REMOTE_FULL'
  | 'CACHE_REMOTE_FAILED'
  | 'CACHE_ARTIFACT_DAMAGED'
  | 'CACHE_TREE_UNSUPPORTED'
  | 'CACHE_TARGET_IN_USE'
  | 'CACHE_LOCAL_FAILED'
  | 'CACHE_FRAME_INVALID';

/** Anything a cache's client cannot do. */
export class CacheClientError extends WaybillError<CacheClientErrorCode> {}
