import { type CacheBlobDocument, cacheArtifactKeys, type JsonObject } from '@waybill/contracts';
import { inParallel } from './artifact/in-parallel.js';
import { referencesOf } from './artifact/manifest.js';
import type { Artifact, PushResult, TransferProgress } from './cache.js';
import { CacheClientError } from './errors.js';
import type { Content } from './local/content.js';
import type { Remote } from './remotes/open-remote.js';
import type { BlobSource, RemoteWriter } from './remotes/remote.js';

/** How an artifact is pushed. */
export interface PushContext {
  readonly content: Content;
  readonly concurrency: number;
  onProgress?(progress: TransferProgress): void;
  readonly signal?: AbortSignal | undefined;
}

/** Brings an artifact to a remote: what that one lacks, then the names. Does not throw for what the remote says. */
export async function pushTo(remote: Remote, artifact: Artifact, context: PushContext): Promise<PushResult> {
  const sent = { bytes: 0 };
  const result = (outcome: PushResult['outcome'], error?: Error): PushResult => {
    return { remote: remote.name, outcome, sentBytes: sent.bytes, ...(error && { error }) };
  };
  try {
    const outcome = await remote.writing((writer) => push(writer, { artifact, remote, sent }, context), context.signal);
    return outcome ? result(outcome) : result('failed', leftAlone(remote));
  } catch (error) {
    context.signal?.throwIfAborted();
    if (error instanceof CacheClientError && error.code !== 'CACHE_LOCAL_FAILED') return result('failed', error);
    throw error;
  }
}

interface PushJob {
  readonly artifact: Artifact;
  readonly remote: Remote;
  readonly sent: { bytes: number };
}

async function push(writer: RemoteWriter, job: PushJob, context: PushContext): Promise<'pushed' | 'exists'> {
  const { manifest, blob } = job.artifact;
  const { signal } = context;
  const names = { ...manifest, weakKey: manifest['weak-key'] };
  const { strong, weak } = cacheArtifactKeys(names);
  if (await writer.has(strong, signal)) return 'exists';
  const references = referencesOf(manifest);
  await sendMissing(writer, [...references, blob], job, context);
  const common = { value: blob, references, metadata: metadataOf(job.artifact) };
  const outcome = await writer.publish({ keys: [strong], ...common }, signal);
  if (outcome === 'exists') return 'exists';
  // The newest build is the one that somebody who asks by the weak key wants.
  if (weak !== undefined) await writer.publish({ keys: [weak], ...common, overwrite: 'last-wins' }, signal);
  return outcome === 'unchanged' ? 'exists' : 'pushed';
}

async function sendMissing(
  writer: RemoteWriter,
  blobs: readonly CacheBlobDocument[],
  { artifact, remote, sent }: PushJob,
  { content, concurrency, signal, onProgress }: PushContext,
): Promise<void> {
  const missing = await writer.missing(blobs, signal);
  const totalBytes = missing.reduce((sum, { size }) => sum + size, 0);
  await inParallel(
    missing,
    concurrency,
    async (blob) => {
      await writer.send(sourceOf(content, blob), signal);
      sent.bytes += blob.size;
      const { part } = artifact.manifest;
      onProgress?.({ part, direction: 'push', remote: remote.name, bytes: sent.bytes, totalBytes });
    },
    signal,
  );
}

/** A blob of the content from any byte on; hashed on the way, so that damage shows here and not at the server. */
function sourceOf(content: Content, blob: CacheBlobDocument): BlobSource {
  return {
    blob,
    async *open(from) {
      let skip = from;
      for await (const chunk of content.chunks(blob)) {
        const rest = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - rest.length;
        if (rest.length > 0) yield rest;
      }
    },
  };
}

/** What the server shows beside the name. */
function metadataOf({ manifest }: Artifact): JsonObject {
  const policy = manifest['session-policy'];
  return {
    type: 'waybill-artifact',
    project: manifest.project,
    part: manifest.part,
    platform: manifest.platform,
    'built-by': manifest['built-by'],
    ...(policy && { 'session-policy': policy }),
  };
}

function leftAlone(remote: Remote): CacheClientError {
  return new CacheClientError(
    'CACHE_REMOTE_UNREACHABLE',
    `${remote.name} failed a moment ago and is left alone for now`,
  );
}
