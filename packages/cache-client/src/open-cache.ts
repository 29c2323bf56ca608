import {
  type CacheArtifact,
  type CacheBlobDocument,
  cacheArtifactKeys,
  type Logger,
  silentLogger,
  toRfc3339,
} from '@waybill/contracts';
import { createArtifact } from './artifact/artifact.js';
import { collectTrees } from './artifact/collect-tree.js';
import { manifestBytes, referencesOf } from './artifact/manifest.js';
import type {
  Artifact,
  ArtifactNames,
  Cache,
  LocalEntry,
  NewArtifact,
  OpenCacheOptions,
  PullOptions,
} from './cache.js';
import { CacheClientError } from './errors.js';
import { type LocalCache, openLocalCache } from './local/local-cache.js';
import type { Stored } from './local/stored.js';
import { localError, systemCode } from './local/system-error.js';
import { findLocally, pullFrom } from './pull-artifact.js';
import { pushTo } from './push-artifact.js';
import { openRemote, type Remote } from './remotes/open-remote.js';

/**
 * Opens the local cache and the remotes behind it. Remotes are not connected before they are needed.
 * @throws CacheClientError CACHE_LOCAL_FAILED
 */
export async function openCache(options: OpenCacheOptions): Promise<Cache> {
  const { remotes = [], log = silentLogger, client = 'waybill-cache-client', concurrency = 8 } = options;
  const local = await openLocalCache(options.local);
  const { retry, breaker, ssh = sshOfEnvironment() } = options;
  const common = { log, client, concurrency, retry, breaker, ssh };
  const opened = remotes.map((settings) => openRemote(settings, common));
  return new LayeredCache(local, opened, log, concurrency);
}

function sshOfEnvironment(): readonly string[] | undefined {
  const words = (process.env.WAYBILL_SSH_COMMAND ?? '').split(' ').filter(Boolean);
  return words.length > 0 ? words : undefined;
}

class LayeredCache implements Cache {
  readonly #local: LocalCache;
  readonly #remotes: readonly Remote[];
  readonly #log: Logger;
  readonly #concurrency: number;

  constructor(local: LocalCache, remotes: readonly Remote[], log: Logger, concurrency: number) {
    this.#local = local;
    this.#remotes = remotes;
    this.#log = log;
    this.#concurrency = concurrency;
  }

  async pull(names: ArtifactNames, options: PullOptions = {}): Promise<Artifact | undefined> {
    return await onDisk('pull into the local cache', async () => {
      const found = await findLocally(this.#context, names, options);
      if (found) return this.#handOut(found);
      for (const remote of this.#remotes) {
        const pulled = await pullFrom(this.#context, remote, names, options);
        if (!pulled) continue;
        await this.#local.collect(bytesOf(pulled));
        return this.#handOut(pulled);
      }
      return undefined;
    });
  }

  async find(names: ArtifactNames, options: PullOptions = {}): Promise<Artifact | undefined> {
    return await onDisk('read the local cache', async () => {
      const found = await findLocally(this.#context, names, options);
      return found && this.#handOut(found);
    });
  }

  async store(artifact: NewArtifact): Promise<Artifact> {
    return await onDisk('write to the local cache', async () => {
      const { content } = this.#local;
      const files = await collectTrees(content, artifact.trees, this.#concurrency);
      const keep = async (bytes: Uint8Array | undefined) => bytes && (await content.put(bytes));
      const bytes = describe(artifact, files, {
        keyDocument: await keep(artifact.keyDocument),
        record: await keep(artifact.record),
      });
      const blob = await content.put(bytes);
      const { strong, weak } = cacheArtifactKeys(artifact.names);
      const origin = { remote: 'local' };
      await this.#local.set(weak === undefined ? [strong] : [strong, weak], blob, origin);
      const stored = await this.#local.find(strong);
      if (!stored) throw new CacheClientError('CACHE_LOCAL_FAILED', 'what was stored in the local cache is gone again');
      await this.#local.collect(bytesOf(stored));
      return this.#handOut(stored);
    });
  }

  async push(artifact: Artifact, options: Parameters<Cache['push']>[1] = {}) {
    const context = { ...options, content: this.#local.content, concurrency: this.#concurrency };
    const writable = this.#remotes.filter(({ canPush }) => canPush);
    return await onDisk('read the local cache', () =>
      Promise.all(writable.map((remote) => pushTo(remote, artifact, context))),
    );
  }

  async list(prefix = ''): Promise<readonly LocalEntry[]> {
    return await onDisk('read the local cache', () => this.#local.list(prefix));
  }

  async remove(names: ArtifactNames): Promise<number> {
    return await onDisk('write to the local cache', () => this.#local.remove(names));
  }

  async close(): Promise<void> {
    await Promise.all(this.#remotes.map((remote) => remote.close()));
  }

  get #context() {
    return { local: this.#local, log: this.#log, concurrency: this.#concurrency };
  }

  #handOut(stored: Stored): Artifact {
    return createArtifact(this.#local.content, stored, this.#concurrency);
  }
}

function describe(
  artifact: NewArtifact,
  files: Parameters<typeof manifestBytes>[0]['files'],
  documents: { readonly keyDocument: CacheBlobDocument | undefined; readonly record: CacheBlobDocument | undefined },
): Buffer {
  const { names } = artifact;
  return manifestBytes({
    format: 1,
    project: names.project,
    part: names.part,
    platform: names.platform,
    key: names.key,
    ...(names.weakKey !== undefined && { 'weak-key': names.weakKey }),
    ...(documents.keyDocument && { 'key-document': documents.keyDocument }),
    files,
    ...(documents.record && { record: documents.record }),
    ...(artifact.sessionPolicy && { 'session-policy': artifact.sessionPolicy }),
    'built-by': artifact.builtBy,
    'created-at': toRfc3339(artifact.createdAt),
    details: { ...artifact.details } as CacheArtifact['details'],
  });
}

function bytesOf({ manifest, blob }: Stored): number {
  return referencesOf(manifest).reduce((sum, { size }) => sum + size, blob.size);
}

/** Says what was done when the file system refuses. */
async function onDisk<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw /^E[A-Z0-9]+$/.test(systemCode(error) ?? '') ? localError(error, doing) : error;
  }
}
