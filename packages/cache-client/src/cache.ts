import type { CacheArtifact, CacheBlobDocument, JsonValue, Logger } from '@waybill/contracts';
import type { RetryOptions } from './http/retrying.js';
import type { LocalCacheOptions } from './local/options.js';
import type { BreakerOptions } from './remotes/breaker.js';
import type { RemoteSettings } from './remotes/settings.js';

/** What a part's artifact is found by. */
export interface ArtifactNames {
  readonly project: string;
  readonly part: string;
  readonly platform: string;
  /** Strong key: sha256 in lower-case hex. */
  readonly key: string;
  /** Weak key, when there is one. */
  readonly weakKey?: string | undefined;
}

/** Where an artifact was found. */
export interface ArtifactOrigin {
  /** `local`, or the URL of the remote it came from, now or when it was first pulled. */
  readonly remote: string;
  /** Namespace of the entry on the remote. */
  readonly namespace?: string | undefined;
  /** Who published it there, as the server says. */
  readonly writer?: string | undefined;
}

/** An artifact that is whole in the local cache, every byte verified. */
export interface Artifact {
  readonly manifest: CacheArtifact;
  /** sha256 and size of the manifest. */
  readonly blob: CacheBlobDocument;
  readonly origin: ArtifactOrigin;
  /** Bytes of all its files, each blob once. */
  readonly bytes: number;
  /**
   * Writes its trees into directories that are empty or not there yet: name of the tree → directory. Trees that are not
   * named are left out. Bytes are verified once more; nothing is written through a symbolic link.
   * @throws CacheClientError CACHE_TARGET_IN_USE, CACHE_ARTIFACT_DAMAGED, CACHE_LOCAL_FAILED
   */
  restore(trees: Readonly<Record<string, string>>): Promise<void>;
  /** The record or the key document; undefined when the artifact has none. */
  read(what: 'record' | 'key-document'): Promise<Buffer | undefined>;
}

/** A build's result on its way into the cache. */
export interface NewArtifact {
  readonly names: ArtifactNames;
  /** Name of a tree → directory that holds it. A name is one path segment. */
  readonly trees: Readonly<Record<string, string>>;
  readonly keyDocument?: Uint8Array | undefined;
  readonly record?: Uint8Array | undefined;
  readonly sessionPolicy?: 'strict' | 'permissive' | undefined;
  /** `craft 0.1.0` */
  readonly builtBy: string;
  readonly createdAt: Date;
  readonly details?: Readonly<Record<string, JsonValue>> | undefined;
}

/** How far a transfer is. */
export interface TransferProgress {
  readonly part: string;
  readonly direction: 'pull' | 'push';
  readonly remote: string;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** Options of {@link Cache.pull}. */
export interface PullOptions {
  /**
   * Judges a candidate before its files are fetched: undefined takes it, a text is the reason why it is not taken (logged).
   */
  accept?(candidate: { readonly manifest: CacheArtifact; readonly origin: ArtifactOrigin }): string | undefined;
  /** Whether an artifact of the weak key will do. Default false. */
  readonly weak?: boolean | undefined;
  onProgress?(progress: TransferProgress): void;
  readonly signal?: AbortSignal | undefined;
}

/** What became of a push to one remote. `exists`: it has an artifact of that key already, which stays. */
export interface PushResult {
  readonly remote: string;
  readonly outcome: 'pushed' | 'exists' | 'failed';
  readonly sentBytes: number;
  /** Why, when it failed. */
  readonly error?: Error | undefined;
}

/** What the local cache holds under one name. */
export interface LocalEntry {
  readonly key: string;
  readonly manifest: CacheArtifact;
  readonly blob: CacheBlobDocument;
  readonly origin: ArtifactOrigin;
  readonly bytes: number;
  readonly usedAt: Date;
}

/** The local cache and the remotes behind it. Safe to use concurrently, and by several processes. */
export interface Cache {
  /**
   * The artifact of the strong key, or with `weak` of the weak one: from the local cache, else from the remotes in order, whence
   * it is brought into the local cache. A remote that is down or answers nonsense is a miss with one warning, never an error.
   * @throws CacheClientError CACHE_LOCAL_FAILED; the signal's reason when aborted
   */
  pull(names: ArtifactNames, options?: PullOptions): Promise<Artifact | undefined>;
  /** As {@link Cache.pull} from the local cache alone. */
  find(names: ArtifactNames, options?: Pick<PullOptions, 'accept' | 'weak'>): Promise<Artifact | undefined>;
  /**
   * Puts a build's result into the local cache. What the key had before is replaced.
   * @throws CacheClientError CACHE_TREE_UNSUPPORTED (a socket, a set-user-id file, …), CACHE_LOCAL_FAILED
   */
  store(artifact: NewArtifact): Promise<Artifact>;
  /** Brings an artifact to all remotes that are written to, each for itself; does not throw for what they say. */
  push(
    artifact: Artifact,
    options?: { onProgress?(progress: TransferProgress): void; readonly signal?: AbortSignal | undefined },
  ): Promise<readonly PushResult[]>;
  /** What is in the local cache, by key; `prefix` of the key as `cacheArtifactKeys` of contracts spells it. */
  list(prefix?: string): Promise<readonly LocalEntry[]>;
  /** Removes names from the local cache. @returns how many there were */
  remove(names: ArtifactNames): Promise<number>;
  /** Ends connections. */
  close(): Promise<void>;
}

/** What a cache is opened with. */
export interface OpenCacheOptions {
  readonly local: LocalCacheOptions;
  /** In order of preference; see `remotesFor`. */
  readonly remotes?: readonly RemoteSettings[] | undefined;
  /** Warnings go to `log.warn`, one a remote until it works again. */
  readonly log?: Logger | undefined;
  /** What the servers are told: `craft/0.1.0`. */
  readonly client?: string | undefined;
  /** Transfers at a time. Default 8. */
  readonly concurrency?: number | undefined;
  /**
   * Program and arguments to reach ssh remotes with, such as `['ssh', '-F', file]`. Default: the words of the environment
   * variable `WAYBILL_SSH_COMMAND`, else `ssh`.
   */
  readonly ssh?: readonly string[] | undefined;
  /** How often a remote is asked again. */
  readonly retry?: RetryOptions | undefined;
  /** How long a remote that failed is left alone. */
  readonly breaker?: BreakerOptions | undefined;
}
