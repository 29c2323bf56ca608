export type {
  Artifact,
  ArtifactNames,
  ArtifactOrigin,
  Cache,
  LocalEntry,
  NewArtifact,
  OpenCacheOptions,
  PullOptions,
  PushResult,
  TransferProgress,
} from './cache.js';
export { CacheClientError, type CacheClientErrorCode } from './errors.js';
export type { LocalCacheOptions } from './local/local-cache.js';
export {
  type ArtifactsConfig,
  artifactsConfigSchema,
  type CacheServerConfig,
  cacheServerSchema,
  type ProjectCaches,
  projectCachesSchema,
} from './remotes/config.js';
export { type PlacedArtifacts, type RemoteSources, remotesFor, remotesOf } from './remotes/remotes-for.js';
export { type RemoteAuth, type RemoteEndpoint, type RemoteSettings, remoteName } from './remotes/settings.js';
