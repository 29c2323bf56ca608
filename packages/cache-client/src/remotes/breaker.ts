/** Leaves a remote alone for a while after it failed, and says so once. */
export interface Breaker {
  /** Whether it may be asked now. */
  readonly isClosed: boolean;
  /** It answered: all is well. */
  worked(): void;
  /** It failed. @returns whether this is news that somebody should hear */
  failed(): boolean;
}

/** What a breaker is given. */
export interface BreakerOptions {
  /** First pause; doubles with each failure in a row. Milliseconds, default 15 000. */
  readonly firstPauseMs?: number;
  /** Longest pause. Default 5 minutes. */
  readonly longestPauseMs?: number;
  /** Milliseconds that only grow. */
  readonly now?: () => number;
}

/** Opens a breaker. */
export function createBreaker(options: BreakerOptions = {}): Breaker {
  const { firstPauseMs = 15_000, longestPauseMs = 300_000, now = () => performance.now() } = options;
  let failures = 0;
  let until = Number.NEGATIVE_INFINITY;
  return {
    get isClosed() {
      return now() >= until;
    },
    worked() {
      failures = 0;
      until = Number.NEGATIVE_INFINITY;
    },
    failed() {
      until = now() + Math.min(longestPauseMs, firstPauseMs * 2 ** failures);
      failures += 1;
      return failures === 1;
    },
  };
}
