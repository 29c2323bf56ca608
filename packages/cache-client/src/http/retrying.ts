import { setTimeout as sleep } from 'node:timers/promises';
import { CacheClientError } from '../errors.js';

/** Fails a try whose next one may work. */
export class TransientError extends Error {
  /** What to throw when no further try is left. */
  readonly final: CacheClientError;
  /** What the server asked for. */
  readonly afterMs: number | undefined;

  constructor(final: CacheClientError, afterMs?: number) {
    super(final.message);
    this.final = final;
    this.afterMs = afterMs;
  }
}

/** How often and how fast is tried again. */
export interface RetryOptions {
  /** Tries in all. Default 4. */
  readonly attempts?: number | undefined;
  /** First pause, doubled with each try, up to half of it random. Default 250. */
  readonly firstPauseMs?: number | undefined;
}

const longestPauseMs = 10_000;

/**
 * Tries again what may work next time. A try that got further than the one before (`progress`) does not count: a long
 * transfer over a bad line comes to its end.
 */
export async function retrying<T>(
  work: () => Promise<T>,
  options: RetryOptions & { readonly signal?: AbortSignal | undefined; readonly progress?: () => number } = {},
): Promise<T> {
  const { attempts = 4, firstPauseMs = 250, signal, progress = () => 0 } = options;
  let reached = 0;
  for (let left = attempts - 1, pauseMs = firstPauseMs; ; left--) {
    try {
      return await work();
    } catch (error) {
      const transient = transientOf(error);
      if (!transient) throw error;
      const now = progress();
      if (now > reached) {
        reached = now;
        left = attempts - 1;
        pauseMs = firstPauseMs;
      }
      if (left <= 0) throw transient.final;
      const wantedMs = Math.max(transient.afterMs ?? 0, pauseMs * (1 - Math.random() / 2));
      await sleep(Math.min(longestPauseMs, wantedMs), undefined, { signal });
      pauseMs *= 2;
    }
  }
}

function transientOf(error: unknown): TransientError | undefined {
  if (error instanceof TransientError) return error;
  const isBroken = error instanceof CacheClientError && error.code === 'CACHE_REMOTE_UNREACHABLE';
  return isBroken ? new TransientError(error) : undefined;
}
