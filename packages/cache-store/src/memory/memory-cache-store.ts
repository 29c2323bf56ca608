import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Clock, systemClock } from '@waybill/contracts';
import type {
  AuditRecord,
  CacheBlob,
  CacheEntry,
  CacheEntryKind,
  CacheNamespace,
  CachePrincipal,
  CachePublication,
  CacheRange,
  CacheStore,
  CacheUpload,
  CacheUploadOptions,
  CacheWriter,
  NamespaceRules,
  PrincipalStore,
  PublishOutcome,
} from '../cache-store.js';
import { CacheStoreError } from '../errors.js';
import { checkKey, checkNamespaceName, emptySha256, overwriteRule } from '../rules.js';

/** What a cache in memory is given. */
export interface MemoryCacheStoreOptions {
  /** undefined: there is no such namespace. Default: each name is a namespace without limits. */
  readonly rules?: (namespace: string) => NamespaceRules | undefined;
  readonly clock?: Clock;
}

/**
 * A cache store that forgets everything with the process and evicts nothing: for tests of what is built on one. It keeps all
 * rules of the contract but room, leases and age.
 */
export function createMemoryCacheStore(options: MemoryCacheStoreOptions = {}): CacheStore {
  const clock = options.clock ?? systemClock;
  const rules = options.rules ?? ((): NamespaceRules => ({}));
  const namespaces = new Map<string, MemoryNamespace>();
  const audit: AuditRecord[] = [];
  const note = (record: Omit<AuditRecord, 'id' | 'at'>) => {
    audit.push({ ...record, id: audit.length + 1, at: new Date(clock.now()) });
  };
  const namespace = (name: string): MemoryNamespace => {
    checkNamespaceName(name);
    const found = rules(name);
    if (!found) {
      throw new CacheStoreError('CACHE_NAMESPACE_UNKNOWN', `there is no namespace ${JSON.stringify(name)}`);
    }
    let space = namespaces.get(name);
    if (!space) {
      const parent = found.readsThrough === undefined ? undefined : namespace(found.readsThrough);
      space = new MemoryNamespace(name, found, parent, () => new Date(clock.now()), note);
      namespaces.set(name, space);
    }
    space.rules = found;
    return space;
  };
  return {
    namespace,
    usage: () => Promise.all([...namespaces.values()].map((space) => space.usage())),
    principals: new MemoryPrincipals(() => new Date(clock.now()), note),
    audit: async ({ namespace, principal, before = Number.POSITIVE_INFINITY, limit }) =>
      audit
        .filter(
          (record) =>
            record.id < before &&
            (namespace === undefined || record.namespace === namespace) &&
            (principal === undefined || record.writer.principal === principal),
        )
        .reverse()
        .slice(0, limit),
    note: async (record) => note(record),
    gc: async () => ({ entries: 0, blobs: 0, bytes: 0, removed: [] }),
    async *fsck() {},
    close: async () => undefined,
  };
}

type Note = (record: Omit<AuditRecord, 'id' | 'at'>) => void;
type StoredEntry = { -readonly [Key in keyof CacheEntry]: CacheEntry[Key] };

class MemoryNamespace implements CacheNamespace {
  readonly blobs = new Map<string, Buffer>([[emptySha256, Buffer.alloc(0)]]);
  readonly entries = new Map<string, StoredEntry>();

  readonly name: string;
  rules: NamespaceRules;
  readonly parent: MemoryNamespace | undefined;
  readonly now: () => Date;
  readonly note: Note;

  constructor(name: string, rules: NamespaceRules, parent: MemoryNamespace | undefined, now: () => Date, note: Note) {
    this.name = name;
    this.rules = rules;
    this.parent = parent;
    this.now = now;
    this.note = note;
  }

  bytesOf(sha256: string, size?: number): Buffer | undefined {
    const found = this.blobs.get(sha256);
    if (found && (size === undefined || found.length === size)) return found;
    return this.parent?.bytesOf(sha256, size);
  }

  async present(blobs: readonly CacheBlob[]): Promise<readonly boolean[]> {
    return blobs.map(({ sha256, size }) => this.bytesOf(sha256, size) !== undefined);
  }

  async upload(options: CacheUploadOptions): Promise<CacheUpload> {
    this.#writable();
    const limit = this.rules.maxBlobBytes ?? this.rules.quotaBytes ?? Number.POSITIVE_INFINITY;
    if ((options.size ?? 0) > limit) throw tooLarge(options.size ?? 0, limit);
    return new MemoryUpload(this.blobs, options, limit);
  }

  async open(blob: { sha256: string; size?: number | undefined }, range?: CacheRange) {
    const bytes = this.bytesOf(blob.sha256, blob.size);
    if (!bytes) return undefined;
    if (range && (range.start < 0 || range.start > range.end || range.end >= bytes.length)) {
      throw new CacheStoreError('CACHE_RANGE_INVALID', `range ${range.start}-${range.end} of ${bytes.length} bytes`);
    }
    const part = range ? bytes.subarray(range.start, range.end + 1) : bytes;
    return { size: bytes.length, stream: Readable.from(part.length > 0 ? [part] : [], { objectMode: false }) };
  }

  async read(blob: CacheBlob, atMost = 4 * 1024 * 1024): Promise<Buffer | undefined> {
    const bytes = this.bytesOf(blob.sha256, blob.size);
    return bytes && bytes.length <= atMost ? bytes : undefined;
  }

  async lookup(kind: CacheEntryKind, keys: readonly string[]): Promise<CacheEntry | undefined> {
    for (const key of keys) {
      const entry = this.entries.get(nameOf(kind, key));
      if (!entry) continue;
      const whole = [entry.value, ...entry.references].every(({ sha256, size }) => this.bytesOf(sha256, size));
      if (whole) {
        entry.usedAt = this.now();
        return { ...entry };
      }
      this.entries.delete(nameOf(kind, key));
    }
    return await this.parent?.lookup(kind, keys);
  }

  async publish(publication: CachePublication, writer: CacheWriter): Promise<PublishOutcome> {
    this.#writable();
    for (const key of publication.keys) checkKey(key);
    const { kind, value, references = [], metadata = {} } = publication;
    const missing = [value, ...references].find(({ sha256, size }) => !this.bytesOf(sha256, size));
    if (missing) {
      throw new CacheStoreError('CACHE_BLOB_MISSING', `blob ${missing.sha256} of ${missing.size} bytes is not here`, {
        hint: 'upload the blobs before the name',
      });
    }
    const found = publication.keys.map((key) => this.entries.get(nameOf(kind, key)));
    const other = found.some((entry) => entry && entry.value.sha256 !== value.sha256);
    if (other && overwriteRule(this.rules, kind, publication.overwrite) === 'first-wins') {
      this.note({
        namespace: this.name,
        action: 'refuse',
        kind,
        key: publication.keys[0],
        sha256: value.sha256,
        writer,
      });
      return 'exists';
    }
    const same = found.every((entry) => entry && isSame(entry, publication));
    if (same) return 'unchanged';
    for (const key of publication.keys) {
      const at = this.now();
      this.entries.set(nameOf(kind, key), {
        namespace: this.name,
        kind,
        key,
        value,
        references,
        metadata,
        writer,
        createdAt: at,
        usedAt: at,
        expiresAt: publication.expiresAt,
        pinned: false,
      });
      this.note({
        namespace: this.name,
        action: other ? 'replace' : 'publish',
        kind,
        key,
        sha256: value.sha256,
        writer,
      });
    }
    return other ? 'replaced' : 'created';
  }

  async remove(kind: CacheEntryKind, key: string, writer: CacheWriter): Promise<boolean> {
    this.#writable();
    const there = this.entries.delete(nameOf(kind, key));
    if (there) this.note({ namespace: this.name, action: 'remove', kind, key, writer });
    return there;
  }

  async pin(kind: CacheEntryKind, key: string, pinned: boolean, writer: CacheWriter): Promise<boolean> {
    const entry = this.entries.get(nameOf(kind, key));
    if (!entry) return false;
    entry.pinned = pinned;
    this.note({ namespace: this.name, action: pinned ? 'pin' : 'unpin', kind, key, writer });
    return true;
  }

  async list({ kind, prefix = '', after, limit }: Parameters<CacheNamespace['list']>[0]) {
    return [...this.entries.values()]
      .filter((entry) => (kind === undefined || entry.kind === kind) && entry.key.startsWith(prefix))
      .sort((a, b) => compare(nameOf(a.kind, a.key), nameOf(b.kind, b.key)))
      .filter((entry) => !after || compare(nameOf(entry.kind, entry.key), nameOf(after.kind, after.key)) > 0)
      .slice(0, limit)
      .map((entry) => ({ ...entry }));
  }

  async usage() {
    const sizes = [...this.blobs.values()].map(({ length }) => length);
    return {
      namespace: this.name,
      bytes: sizes.reduce((sum, size) => sum + size, 0),
      blobs: sizes.length - 1,
      entries: this.entries.size,
      reservedBytes: 0,
      quotaBytes: this.rules.quotaBytes,
    };
  }

  #writable(): void {
    if (this.rules.readOnly) throw new CacheStoreError('CACHE_READ_ONLY', `namespace ${this.name} takes no writes`);
  }
}

class MemoryUpload implements CacheUpload {
  size = 0;
  readonly #chunks: Uint8Array[] = [];

  readonly blobs: Map<string, Buffer>;
  readonly options: CacheUploadOptions;
  readonly limit: number;

  constructor(blobs: Map<string, Buffer>, options: CacheUploadOptions, limit: number) {
    this.blobs = blobs;
    this.options = options;
    this.limit = limit;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.size += chunk.length;
    const { size } = this.options;
    if (size !== undefined && this.size > size) {
      throw new CacheStoreError('CACHE_BLOB_MISMATCH', `more than the ${size} bytes that were announced`);
    }
    if (this.size > this.limit) throw tooLarge(this.size, this.limit);
    this.#chunks.push(chunk);
  }

  async commit(): Promise<CacheBlob> {
    const bytes = Buffer.concat(this.#chunks);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const { options } = this;
    if (options.size !== undefined && options.size !== bytes.length) {
      throw new CacheStoreError('CACHE_BLOB_MISMATCH', `${bytes.length} bytes came, ${options.size} were announced`);
    }
    if (options.sha256 !== undefined && options.sha256 !== sha256) {
      throw new CacheStoreError(
        'CACHE_BLOB_MISMATCH',
        `the bytes have sha256 ${sha256}, announced was ${options.sha256}`,
      );
    }
    this.blobs.set(sha256, bytes);
    return { sha256, size: bytes.length };
  }

  async abort(): Promise<void> {
    this.#chunks.length = 0;
  }
}

class MemoryPrincipals implements PrincipalStore {
  readonly #all = new Map<string, CachePrincipal>();

  readonly now: () => Date;
  readonly note: Note;

  constructor(now: () => Date, note: Note) {
    this.now = now;
    this.note = note;
  }

  async add(principal: Omit<CachePrincipal, 'createdAt'>, writer: CacheWriter): Promise<CachePrincipal> {
    const { kind, value } = principal.credential;
    const taken = [...this.#all.values()].find(
      (other) => other.id === principal.id || (other.credential.kind === kind && other.credential.value === value),
    );
    if (taken) {
      throw new CacheStoreError(
        'CACHE_PRINCIPAL_EXISTS',
        `there is a principal ${taken.id} with this id or credential`,
      );
    }
    const added = { ...principal, createdAt: this.now() };
    this.#all.set(principal.id, added);
    this.note({ namespace: '*', action: 'grant', detail: principal.id, writer });
    return added;
  }

  async find(kind: string, value: string): Promise<CachePrincipal | undefined> {
    return [...this.#all.values()].find(
      (principal) =>
        principal.credential.kind === kind &&
        principal.credential.value === value &&
        (principal.expiresAt === undefined || principal.expiresAt > this.now()),
    );
  }

  async get(id: string): Promise<CachePrincipal | undefined> {
    return this.#all.get(id);
  }

  async list(): Promise<readonly CachePrincipal[]> {
    return [...this.#all.values()];
  }

  async remove(id: string, writer: CacheWriter): Promise<boolean> {
    const there = this.#all.delete(id);
    if (there) this.note({ namespace: '*', action: 'revoke', detail: id, writer });
    return there;
  }
}

function nameOf(kind: CacheEntryKind, key: string): string {
  return `${kind}\0${key}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isSame(entry: CacheEntry, { value, metadata = {}, references = [] }: CachePublication): boolean {
  return (
    entry.value.sha256 === value.sha256 &&
    JSON.stringify(entry.metadata) === JSON.stringify(metadata) &&
    JSON.stringify(entry.references) === JSON.stringify(references)
  );
}

function tooLarge(size: number, limit: number): CacheStoreError {
  return new CacheStoreError('CACHE_BLOB_TOO_LARGE', `${size} bytes, at most ${limit} are taken`);
}
