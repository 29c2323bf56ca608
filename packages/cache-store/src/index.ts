export type {
  AuditRecord,
  CacheBlob,
  CacheEntry,
  CacheEntryKind,
  CacheGrant,
  CacheNamespace,
  CachePrincipal,
  CachePublication,
  CacheRange,
  CacheRight,
  CacheStore,
  CacheUpload,
  CacheUploadOptions,
  CacheWriter,
  CredentialKind,
  FsckFinding,
  GcResult,
  NamespaceRules,
  NamespaceUsage,
  OverwriteRule,
  PrincipalStore,
  PublishOutcome,
} from './cache-store.js';
export { CacheStoreError, type CacheStoreErrorCode } from './errors.js';
export { createMemoryCacheStore, type MemoryCacheStoreOptions } from './memory/memory-cache-store.js';
export { type CacheStoreOptions, openCacheStore } from './sql/open-cache-store.js';
