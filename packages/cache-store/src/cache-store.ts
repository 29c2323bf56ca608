import type { Readable } from 'node:stream';

/** Bytes that entries are made of: sha256 in lower-case hex, and how many there are. */
export interface CacheBlob {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * Which protocol's names an entry is one of; each kind has a key space of its own in each namespace, so that no client can
 * place what another protocol reads. The value's own kind (blob or directory) is part of it: it is never guessed from bytes.
 *
 * `artifact`: ours (`/v1`); `action`: checked action results; `raw`: whatever `/ac` gets without validation; `asset-blob` and
 * `asset-directory`: Remote Asset API; `reference`: buildstream.v2.ReferenceStorage; `turbo`, `nx`, `kv`: theirs.
 */
export type CacheEntryKind =
  | 'artifact'
  | 'action'
  | 'raw'
  | 'asset-blob'
  | 'asset-directory'
  | 'reference'
  | 'turbo'
  | 'nx'
  | 'kv';

/** Who writes, for the record. */
export interface CacheWriter {
  /** Id of the principal, `anonymous` for nobody in particular. */
  readonly principal: string;
  /** What the client calls itself (user agent, tool name and version); not trusted. */
  readonly client?: string | undefined;
  /** Address the request came from. */
  readonly address?: string | undefined;
}

/** A name with its value and all that the value needs. */
export interface CacheEntry {
  /** Where it was found: the namespace that was asked, or one that it reads through to. */
  readonly namespace: string;
  readonly kind: CacheEntryKind;
  readonly key: string;
  readonly value: CacheBlob;
  /** Blobs without which the value is of no use, the value itself not among them. */
  readonly references: readonly CacheBlob[];
  /** What the protocol keeps beside the value (tag, duration, qualifiers); at most 64 KiB as JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly writer: CacheWriter;
  readonly createdAt: Date;
  readonly usedAt: Date;
  readonly expiresAt?: Date | undefined;
  readonly pinned: boolean;
}

/** What becomes of a name that has another value already. */
export type OverwriteRule = 'first-wins' | 'last-wins';

/** Names to be set in one transaction, all to the same value. */
export interface CachePublication {
  readonly kind: CacheEntryKind;
  /** One or more, each at most 1 024 characters. */
  readonly keys: readonly string[];
  readonly value: CacheBlob;
  readonly references?: readonly CacheBlob[] | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  readonly expiresAt?: Date | undefined;
  /** Where the protocol says so; else the rule of the namespace for the kind. */
  readonly overwrite?: OverwriteRule | undefined;
}

/**
 * `created`: no key was there; `unchanged`: all were there with this very value; `replaced`: at least one had another value;
 * `exists`: one has another value that may not be replaced, and nothing was changed.
 */
export type PublishOutcome = 'created' | 'unchanged' | 'replaced' | 'exists';

/** What is known of a body before it comes. */
export interface CacheUploadOptions {
  readonly writer: CacheWriter;
  /** What it has to be; anything else is refused. Undefined where the protocol does not say. */
  readonly sha256?: string | undefined;
  /** Bytes it has to have; room for so many is reserved before the first one is taken. */
  readonly size?: number | undefined;
}

/** A body on its way in. Exactly one of `commit` and `abort` ends it; `abort` is idempotent and safe after `commit`. */
export interface CacheUpload {
  /** Bytes taken so far. */
  readonly size: number;
  /**
   * Resolves when more can be taken. The chunk must not be changed afterwards.
   * @throws CacheStoreError CACHE_BLOB_MISMATCH (more bytes than announced), CACHE_BLOB_TOO_LARGE, CACHE_FULL
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Verified, durable and in the namespace, under a lease, when this resolves.
   * @throws CacheStoreError CACHE_BLOB_MISMATCH, CACHE_FULL
   */
  commit(): Promise<CacheBlob>;
  abort(): Promise<void>;
}

/** Inclusive, zero-based. */
export interface CacheRange {
  readonly start: number;
  readonly end: number;
}

/** One of the trees of names and blobs in a cache. What another namespace has is not visible here, unless this one reads through to it. */
export interface CacheNamespace {
  readonly name: string;
  readonly rules: NamespaceRules;
  /**
   * Which of the blobs can be read here, in the order asked. Counts as use and extends their lease: what was said to be there
   * stays there for `leaseMs`. The empty blob always is.
   */
  present(blobs: readonly CacheBlob[]): Promise<readonly boolean[]>;
  /**
   * Reserves room. Bytes that are there already may be sent again; they are stored once.
   * @throws CacheStoreError CACHE_FULL, CACHE_BLOB_TOO_LARGE, CACHE_READ_ONLY
   */
  upload(options: CacheUploadOptions): Promise<CacheUpload>;
  /**
   * Opens a blob for reading, undefined when it is not here or has another size. What is open is not removed under its reader.
   * A whole read is verified: the stream fails with `BLOB_CORRUPT` before its last byte rather than give wrong bytes, and the
   * blob is put aside.
   * @throws CacheStoreError CACHE_RANGE_INVALID
   */
  open(
    blob: { readonly sha256: string; readonly size?: number | undefined },
    range?: CacheRange,
  ): Promise<{ readonly size: number; readonly stream: Readable } | undefined>;
  /** The whole of a small blob; undefined when it is not here or is larger than `atMost` bytes (default 4 MiB). */
  read(blob: CacheBlob, atMost?: number): Promise<Buffer | undefined>;
  /**
   * The entry of a key: only when value and references are all here, whose leases are extended in the same step. One that
   * lacks a blob is removed and not found (promise 10). The first key that is found decides.
   */
  lookup(kind: CacheEntryKind, keys: readonly string[]): Promise<CacheEntry | undefined>;
  /**
   * Sets names, all or none, durably.
   * @throws CacheStoreError CACHE_BLOB_MISSING (value or a reference is not here), CACHE_FULL, CACHE_READ_ONLY, CACHE_KEY_INVALID
   */
  publish(publication: CachePublication, writer: CacheWriter): Promise<PublishOutcome>;
  /** @returns whether it was there. Blobs stay until the quota wants their room. */
  remove(kind: CacheEntryKind, key: string, writer: CacheWriter): Promise<boolean>;
  /** Pinned entries are not evicted. @returns whether there is such an entry in this namespace itself */
  pin(kind: CacheEntryKind, key: string, pinned: boolean, writer: CacheWriter): Promise<boolean>;
  /** Entries of this namespace itself by key; `after` is the last key of the page before. Does not count as use. */
  list(query: {
    readonly kind?: CacheEntryKind | undefined;
    readonly prefix?: string | undefined;
    readonly after?: { readonly kind: CacheEntryKind; readonly key: string } | undefined;
    readonly limit: number;
  }): Promise<readonly CacheEntry[]>;
  usage(): Promise<NamespaceUsage>;
}

/** How full a namespace is. */
export interface NamespaceUsage {
  readonly namespace: string;
  /** Bytes of all blobs of the namespace, each counted once. */
  readonly bytes: number;
  readonly blobs: number;
  readonly entries: number;
  /** Bytes that uploads under way have reserved. */
  readonly reservedBytes: number;
  readonly quotaBytes?: number | undefined;
}

/** Rules of a namespace, from the configuration. */
export interface NamespaceRules {
  /** Bytes above which eviction begins; undefined: no limit of its own. */
  readonly quotaBytes?: number | undefined;
  /** Share of the quota that eviction goes down to. Default 0.8. */
  readonly lowWatermark?: number | undefined;
  /** Bytes that are never exceeded, uploads under way included. Default 1.05 × quota. */
  readonly hardLimitBytes?: number | undefined;
  /** Largest body. Default: the quota. */
  readonly maxBlobBytes?: number | undefined;
  /** What to do with names that exist; kinds that are not listed: `last-wins` for kinds whose clients need it, else `first-wins`. */
  readonly overwrite?: Partial<Record<CacheEntryKind, OverwriteRule>> | undefined;
  /** Where reads go on after a miss: the trusted namespace of one that is not trusted. Never the other way round. */
  readonly readsThrough?: string | undefined;
  /** Entries that nobody used for so long are removed. */
  readonly unusedMs?: number | undefined;
  readonly readOnly?: boolean | undefined;
  /**
   * Whether `/ac` takes any bytes, as names of kind `raw`, instead of action results whose blobs are all there: for clients that
   * keep something else under Bazel's addresses. Default false.
   */
  readonly rawActions?: boolean | undefined;
}

/** What writers did, newest last. */
export interface AuditRecord {
  readonly id: number;
  readonly at: Date;
  readonly namespace: string;
  readonly action: 'publish' | 'replace' | 'refuse' | 'remove' | 'pin' | 'unpin' | 'evict' | 'grant' | 'revoke';
  readonly kind?: CacheEntryKind | undefined;
  readonly key?: string | undefined;
  readonly sha256?: string | undefined;
  readonly writer: CacheWriter;
  readonly detail?: string | undefined;
}

/** What a principal may do in a namespace; each includes the ones before it. */
export type CacheRight = 'read' | 'write' | 'admin';

/** A right in all namespaces that a pattern names: exact, or with a trailing `/*` (all below) or `*` (all). */
export interface CacheGrant {
  readonly namespace: string;
  readonly right: CacheRight;
}

/** How somebody shows who they are. */
export type CredentialKind = 'token' | 'ssh-key' | 'certificate' | 'oidc';

/** Somebody who may do something. */
export interface CachePrincipal {
  /** `ci`, `alice`: unique, 1 to 128 of `[A-Za-z0-9._@-]`. */
  readonly id: string;
  readonly credential: {
    readonly kind: CredentialKind;
    /**
     * token: sha256 of it in hex; ssh-key: `SHA256:…` as OpenSSH prints it; certificate: sha256 of the DER in hex; oidc:
     * `<issuer>#<subject>`, where a trailing `*` in the subject stands for anything.
     */
    readonly value: string;
    /** The ssh public key itself, for `authorized_keys`. */
    readonly publicKey?: string | undefined;
  };
  readonly grants: readonly CacheGrant[];
  readonly createdAt: Date;
  readonly expiresAt?: Date | undefined;
  readonly comment?: string | undefined;
}

/** Principals, in the index beside what they may touch, so that all replicas know them at once. */
export interface PrincipalStore {
  /** @throws CacheStoreError CACHE_PRINCIPAL_EXISTS (id or credential) */
  add(principal: Omit<CachePrincipal, 'createdAt'>, writer: CacheWriter): Promise<CachePrincipal>;
  /** By exact credential, expired ones never. */
  find(kind: CredentialKind, value: string): Promise<CachePrincipal | undefined>;
  get(id: string): Promise<CachePrincipal | undefined>;
  list(): Promise<readonly CachePrincipal[]>;
  /** Takes effect for the next request on all replicas. */
  remove(id: string, writer: CacheWriter): Promise<boolean>;
}

/** What a collection did, or with `dryRun` would do. */
export interface GcResult {
  readonly entries: number;
  readonly blobs: number;
  readonly bytes: number;
  /** The first thousand entries that went. */
  readonly removed: readonly { readonly namespace: string; readonly kind: CacheEntryKind; readonly key: string }[];
}

/** Something that is not as it should be. */
export interface FsckFinding {
  readonly problem: 'blob-missing' | 'blob-corrupt' | 'blob-unknown' | 'entry-incomplete' | 'usage-wrong';
  readonly namespace?: string | undefined;
  readonly kind?: CacheEntryKind | undefined;
  readonly key?: string | undefined;
  readonly sha256?: string | undefined;
  readonly repaired: boolean;
}

/**
 * Names and what they need, over a blob store and a database. All methods are safe to call concurrently, and by several
 * processes over one PostgreSQL and one S3-compatible store.
 *
 * Errors are `CacheStoreError`s; those of the blob store (`BLOB_…`) and the database (`STORE_…`) pass through.
 */
export interface CacheStore {
  /** @throws CacheStoreError CACHE_NAMESPACE_UNKNOWN, CACHE_NAMESPACE_INVALID */
  namespace(name: string): CacheNamespace;
  /** Usage of every namespace that has been written to. */
  usage(): Promise<readonly NamespaceUsage[]>;
  readonly principals: PrincipalStore;
  /** Newest first; `before` is the id of the last record of the page before. */
  audit(query: {
    readonly namespace?: string | undefined;
    readonly principal?: string | undefined;
    readonly before?: number | undefined;
    readonly limit: number;
  }): Promise<readonly AuditRecord[]>;
  /** For grants, revocations and refusals that the edges decide. */
  note(record: Omit<AuditRecord, 'id' | 'at'>): Promise<void>;
  /** Removes what is expired, unused for too long, or beyond the watermarks; one at a time over all processes. */
  gc(options?: { readonly dryRun?: boolean | undefined }): Promise<GcResult>;
  /** Looks for damage; with `verify` reads every byte, with `repair` removes names that cannot be served. */
  fsck(options?: {
    readonly verify?: boolean | undefined;
    readonly repair?: boolean | undefined;
  }): AsyncIterable<FsckFinding>;
  close(): Promise<void>;
}
