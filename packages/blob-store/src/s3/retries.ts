import { setTimeout as sleep } from 'node:timers/promises';
import { type S3Failure, toFailure } from './s3-failure.js';

/** How long something is tried. */
export interface Patience {
  /** No further attempt begins after so long. Milliseconds. */
  readonly giveUpAfterMs: number;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
}

const firstPauseMs = 100;
const longestPauseMs = 5_000;

/**
 * Repeats what fails in passing, with pauses that double and are cut at random, so that many who failed together do not come
 * back together.
 */
export async function withRetries<T>(work: () => Promise<T>, { giveUpAfterMs, signal }: Patience): Promise<T> {
  const startedAt = performance.now();
  for (let attempt = 0; ; attempt++) {
    let failure: S3Failure;
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted || isOurs(error)) throw error;
      failure = toFailure(error);
    }
    if (!failure.isPassing) throw failure;
    const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt) * (0.5 + Math.random() / 2);
    if (performance.now() - startedAt + pause > giveUpAfterMs) throw failure;
    await sleep(pause, undefined, signal ? { signal } : {});
  }
}

/** Errors of the store itself are verdicts already. */
function isOurs(error: unknown): boolean {
  return (error as { code?: unknown })?.code?.toString().startsWith('BLOB_') === true;
}
