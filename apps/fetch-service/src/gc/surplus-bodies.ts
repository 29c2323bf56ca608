import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobEntry, BlobStore, SessionStore } from '@waybill/contracts';
import type { BodyReaper } from '../sessions/body-reaper.js';
import { oldestEntries, type Place } from './oldest-entries.js';

/** What is collected from. */
export interface BodySources {
  readonly blobs: Pick<BlobStore, 'entries' | 'usage' | 'compact'>;
  readonly store: Pick<SessionStore, 'referenced'>;
  readonly reaper: Pick<BodyReaper, 'remove' | 'settledBefore'>;
}

/** How a pass goes about it. */
export interface BodyPass {
  readonly isDryRun: boolean;
  /** Bytes that may stay; 0 = whatever nobody refers to goes. */
  readonly targetBytes: number;
  readonly signal: AbortSignal;
}

/** What was removed in one go. */
export interface RemovedBodies {
  readonly bodies: number;
  readonly bytes: number;
}

/** Bodies that are put in order at a time: some megabytes of memory. */
const window = 20_000;
/** Bodies judged and removed in one go, so that downloads wait for milliseconds at most. */
const batchSize = 64;
/** Between two goes. */
const pauseMs = 5;

/**
 * Removes bodies that no kept session refers to, least recently used first, until the store is small enough. The reaper keeps
 * this from getting in the way of downloads, of any process.
 */
export async function* removeSurplus(sources: BodySources, pass: BodyPass): AsyncGenerator<RemovedBodies> {
  const { blobs, reaper } = sources;
  const usedBefore = reaper.settledBefore();
  let excess = (await blobs.usage()).bytes - pass.targetBytes;
  let after: Place | undefined;
  while (excess > 0 && !pass.signal.aborted) {
    const oldest = await oldestEntries(blobs.entries(), { after, most: window, usedBefore });
    if (oldest.length === 0) return;
    after = oldest.at(-1);
    for (let at = 0; at < oldest.length && excess > 0 && !pass.signal.aborted; at += batchSize) {
      const removed = await removeSome(sources, { entries: oldest.slice(at, at + batchSize), excess, pass });
      if (removed.bodies === 0) continue;
      excess -= removed.bytes;
      yield removed;
      await sleep(pauseMs);
    }
  }
}

async function removeSome(
  { store, reaper }: BodySources,
  {
    entries,
    excess,
    pass,
  }: { readonly entries: readonly BlobEntry[]; readonly excess: number; readonly pass: BodyPass },
): Promise<RemovedBodies> {
  const names = (some: readonly BlobEntry[]) => some.map(({ sha256 }) => sha256);
  const referenced = await store.referenced(names(entries));
  const wanted = asMuchAs(
    excess,
    entries.filter(({ sha256 }) => !referenced.has(sha256)),
  );
  const gone = pass.isDryRun ? new Set(names(wanted)) : await reaper.remove(names(wanted));
  const removed = wanted.filter(({ sha256 }) => gone.has(sha256));
  return { bodies: removed.length, bytes: bytesOf(removed) };
}

/** The first entries that together have so many bytes. */
function asMuchAs(bytes: number, entries: readonly BlobEntry[]): readonly BlobEntry[] {
  let sum = 0;
  return entries.filter(({ size }) => {
    const isWanted = sum < bytes;
    sum += size;
    return isWanted;
  });
}

function bytesOf(entries: readonly BlobEntry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0);
}

/** Gives space of small bodies back to the disk: a bounded piece at a time. @returns bytes */
export async function compactAll(blobs: BodySources['blobs'], signal: AbortSignal): Promise<number> {
  let freed = 0;
  for (let round = 0; round < mostRounds && !signal.aborted; round += 1) {
    const bytes = await blobs.compact();
    if (bytes === 0) break;
    freed += bytes;
    await sleep(pauseMs);
  }
  return freed;
}

/** Segments rewritten in one pass. */
const mostRounds = 64;
