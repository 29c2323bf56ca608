import { type CacheArtifact, type CacheBlobDocument, cacheArtifactKeys, type Logger } from '@waybill/contracts';
import { inParallel } from './artifact/in-parallel.js';
import { maxManifestBytes, parseManifest, referencesOf } from './artifact/manifest.js';
import type { ArtifactNames, PullOptions } from './cache.js';
import { CacheClientError } from './errors.js';
import type { LocalCache } from './local/local-cache.js';
import type { Stored } from './local/stored.js';
import type { Remote } from './remotes/open-remote.js';
import type { RemoteReader } from './remotes/remote.js';

/** What pulls work with. */
export interface PullContext {
  readonly local: LocalCache;
  readonly log: Logger;
  readonly concurrency: number;
}

/** The keys to look under, best first, and whether each is the strong one. */
export function wantedKeys(names: ArtifactNames, weakToo: boolean): { key: string; isStrong: boolean }[] {
  const { strong, weak } = cacheArtifactKeys(names);
  const keys = [{ key: strong, isStrong: true }];
  if (weakToo && weak !== undefined) keys.push({ key: weak, isStrong: false });
  return keys;
}

/** The artifact of the local cache, every byte of it read. One that is damaged is a miss. */
export async function findLocally(
  { local, log, concurrency }: PullContext,
  names: ArtifactNames,
  options: PullOptions,
): Promise<Stored | undefined> {
  for (const { key, isStrong } of wantedKeys(names, options.weak ?? false)) {
    const stored = await local.find(key);
    if (!stored || !answers(stored.manifest, names, isStrong)) continue;
    if (isRefused(stored, options, log)) continue;
    let whole = true;
    await inParallel(
      referencesOf(stored.manifest),
      concurrency,
      async (blob) => {
        whole = (await local.content.verify(blob)) && whole;
      },
      options.signal,
    );
    if (whole) return stored;
    log.debug({ key }, 'an artifact of the local cache is damaged or not whole: taken for a miss');
    await local.drop(key);
  }
  return undefined;
}

/** The artifact of a remote, brought into the local cache under the key that it was found by. */
export async function pullFrom(
  context: PullContext,
  remote: Remote,
  names: ArtifactNames,
  options: PullOptions,
): Promise<Stored | undefined> {
  for (const { key, isStrong } of wantedKeys(names, options.weak ?? false)) {
    try {
      const work = (reader: RemoteReader) => pullKey(context, { remote, reader, key, isStrong, names, options });
      const stored = await remote.reading(work, options.signal);
      if (stored) return stored;
    } catch (error) {
      if (!(error instanceof CacheClientError) || error.code !== 'CACHE_ARTIFACT_DAMAGED') throw error;
      context.log.warn({ remote: remote.name, key }, `cache ${remote.name} gave what cannot be used: ${error.message}`);
    }
  }
  return undefined;
}

interface KeyPull {
  readonly remote: Remote;
  readonly reader: RemoteReader;
  readonly key: string;
  readonly isStrong: boolean;
  readonly names: ArtifactNames;
  readonly options: PullOptions;
}

async function pullKey(context: PullContext, pull: KeyPull): Promise<Stored | undefined> {
  const { reader, remote, key, names, options } = pull;
  const entry = await reader.find(key, options.signal);
  if (!entry) return undefined;
  if (entry.value.size > maxManifestBytes) throw damaged(`the manifest has ${entry.value.size} bytes`);
  if (!(await fetchBlob(context.local, reader, entry.value, options.signal))) return undefined;
  const bytes = await context.local.content.read(entry.value, maxManifestBytes);
  if (!bytes) return undefined;
  const manifest = parseManifest(bytes);
  if (!answers(manifest, names, pull.isStrong)) throw damaged(`it is not the artifact of ${key}`);
  const origin = { remote: remote.name, namespace: entry.namespace, writer: entry.writer };
  const stored = { manifest, blob: entry.value, origin };
  if (isRefused(stored, options, context.log)) return undefined;
  if (!(await fetchAll(context, pull, referencesOf(manifest)))) return undefined;
  // Under no other name: what a weak key, which many may write, leads to must not be found by a strong one.
  await context.local.set([key], entry.value, origin);
  return stored;
}

/** @returns false when the remote lacks one of them */
async function fetchAll(context: PullContext, pull: KeyPull, blobs: readonly CacheBlobDocument[]): Promise<boolean> {
  const { reader, remote, names, options } = pull;
  const totalBytes = blobs.reduce((sum, { size }) => sum + size, 0);
  let bytes = 0;
  let whole = true;
  const count = (more: number) => {
    bytes += more;
    options.onProgress?.({ part: names.part, direction: 'pull', remote: remote.name, bytes, totalBytes });
  };
  await inParallel(
    blobs,
    context.concurrency,
    async (blob) => {
      if (whole) whole = (await fetchBlob(context.local, reader, blob, options.signal, count)) && whole;
    },
    options.signal,
  );
  return whole;
}

async function fetchBlob(
  { content }: LocalCache,
  reader: RemoteReader,
  blob: CacheBlobDocument,
  signal: AbortSignal | undefined,
  count: (bytes: number) => void = () => undefined,
): Promise<boolean> {
  if (await content.has(blob)) {
    // It was right when it came, but may be damaged since: what is said to be whole is read.
    if (await content.verify(blob)) {
      count(blob.size);
      return true;
    }
  }
  const writer = await content.writer();
  const sink = {
    async write(chunk: Uint8Array) {
      await writer.write(chunk);
      count(chunk.length);
    },
  };
  try {
    if (!(await reader.fetch(blob, sink, signal))) return false;
    await writer.commit(blob);
    return true;
  } finally {
    await writer.abort();
  }
}

/** Whether a manifest is of these names: an entry could point anywhere. */
function answers(manifest: CacheArtifact, names: ArtifactNames, isStrong: boolean): boolean {
  const isPlace =
    manifest.project === names.project && manifest.part === names.part && manifest.platform === names.platform;
  return isPlace && (isStrong ? manifest.key === names.key : manifest['weak-key'] === names.weakKey);
}

function isRefused(stored: Stored, { accept }: PullOptions, log: Logger): boolean {
  const reason = accept?.({ manifest: stored.manifest, origin: stored.origin });
  if (reason === undefined) return false;
  const { project, part, key } = stored.manifest;
  log.info({ project, part, key, remote: stored.origin.remote }, `cached ${part} is not taken: ${reason}`);
  return true;
}

function damaged(what: string): CacheClientError {
  return new CacheClientError('CACHE_ARTIFACT_DAMAGED', `the artifact cannot be used: ${what}`);
}
