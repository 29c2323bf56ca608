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
export { type HttpRemote, type HttpRemoteOptions, openHttpRemote } from './http/http-remote.js';
export type { RetryOptions } from './http/retrying.js';
export type { LocalCacheOptions } from './local/options.js';
export { openCache } from './open-cache.js';
export type { BreakerOptions } from './remotes/breaker.js';
export {
  type ArtifactsConfig,
  artifactsConfigSchema,
  type CacheServerConfig,
  cacheServerSchema,
  type ProjectCaches,
  projectCachesSchema,
} from './remotes/config.js';
export type { BlobSink, BlobSource, RemoteReader, RemoteWriter } from './remotes/remote.js';
export { type PlacedArtifacts, type RemoteSources, remotesFor, remotesOf } from './remotes/remotes-for.js';
export { type RemoteAuth, type RemoteEndpoint, type RemoteSettings, remoteName } from './remotes/settings.js';
export { openSshRemote, type SshRemote, type SshRemoteOptions } from './ssh/ssh-remote.js';
