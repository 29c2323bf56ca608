import { mkdir } from 'node:fs/promises';
import { type CacheBlobDocument, cacheArtifactKeys } from '@waybill/contracts';
import { maxManifestBytes, parseManifest, referencesOf } from '../artifact/manifest.js';
import type { ArtifactNames, ArtifactOrigin, LocalEntry } from '../cache.js';
import { CacheClientError } from '../errors.js';
import { createCollector } from './collector.js';
import { type Content, openContent } from './content.js';
import { type Entries, type EntryDocument, openEntries } from './entries.js';
import type { LocalCacheOptions } from './options.js';
import type { Stored } from './stored.js';
import { localError } from './system-error.js';

/** Artifacts in a directory. Several processes may use it at once. */
export interface LocalCache {
  readonly content: Content;
  /** The manifest of a name, when it is there and right. Its files are not looked at. */
  find(key: string): Promise<Stored | undefined>;
  /** Names an artifact whose blobs are all in the content. */
  set(keys: readonly string[], blob: CacheBlobDocument, origin: ArtifactOrigin): Promise<void>;
  remove(names: ArtifactNames): Promise<number>;
  /** Drops a name that turned out to be of no use. */
  drop(key: string): Promise<void>;
  list(prefix: string): Promise<readonly LocalEntry[]>;
  /** Keeps to the quota; cheap while there is room. */
  collect(addedBytes: number): Promise<void>;
}

/** Opens a local cache. @throws CacheClientError CACHE_LOCAL_FAILED */
export async function openLocalCache(options: LocalCacheOptions): Promise<LocalCache> {
  try {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    return new DirectoryCache(options, await openContent(options.dir), await openEntries(options.dir));
  } catch (error) {
    throw localError(error, `use the local cache ${options.dir}`);
  }
}

class DirectoryCache implements LocalCache {
  readonly content: Content;
  readonly #entries: Entries;
  readonly #collect: (addedBytes: number) => Promise<void>;

  constructor(options: LocalCacheOptions, content: Content, entries: Entries) {
    this.content = content;
    this.#entries = entries;
    this.#collect = createCollector(options, entries, (document) => this.#load(document));
  }

  async find(key: string): Promise<Stored | undefined> {
    const document = await this.#entries.find(key);
    if (!document) return undefined;
    const stored = await this.#load(document);
    if (!stored) await this.#entries.remove(key);
    return stored;
  }

  async set(keys: readonly string[], value: CacheBlobDocument, origin: ArtifactOrigin): Promise<void> {
    for (const key of keys) await this.#entries.set({ format: 1, key, value, origin });
  }

  async remove(names: ArtifactNames): Promise<number> {
    const { strong, weak } = cacheArtifactKeys(names);
    const gone = await Promise.all([strong, weak].map((key) => key !== undefined && this.#entries.remove(key)));
    return gone.filter(Boolean).length;
  }

  async drop(key: string): Promise<void> {
    await this.#entries.remove(key);
  }

  async list(prefix: string): Promise<readonly LocalEntry[]> {
    const found: LocalEntry[] = [];
    for await (const { document, usedMs } of this.#entries.all()) {
      const stored = document.key.startsWith(prefix) ? await this.#load(document) : undefined;
      if (!stored) continue;
      const bytes = referencesOf(stored.manifest).reduce((sum, { size }) => sum + size, stored.blob.size);
      found.push({ ...stored, key: document.key, bytes, usedAt: new Date(usedMs) });
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async collect(addedBytes: number): Promise<void> {
    await this.#collect(addedBytes);
  }

  async #load({ value, origin }: EntryDocument): Promise<Stored | undefined> {
    const bytes = await this.content.read(value, maxManifestBytes);
    if (!bytes) return undefined;
    try {
      const manifest = parseManifest(bytes);
      referencesOf(manifest);
      return { manifest, blob: value, origin };
    } catch (error) {
      if (error instanceof CacheClientError) return undefined;
      throw error;
    }
  }
}
