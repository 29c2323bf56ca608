/** Ends a daemon that nobody uses. specs/fetch-service.md §6.4 */
export interface IdleShutdown {
  /** Something happened: the time starts anew. */
  touch(): void;
  stop(): void;
}

/**
 * @param seconds 0 = never
 * @param hasSessions asked when the time is over: with sessions the daemon stays, until something happens and time passes again
 */
export function createIdleShutdown(seconds: number, hasSessions: () => boolean, onIdle: () => void): IdleShutdown {
  if (seconds === 0) return { touch() {}, stop() {} };
  // Timers hold at most 2^31-1 ms, which is 24 days.
  const waitMs = Math.min(seconds * 1000, 2 ** 31 - 1);
  const timer = setTimeout(() => {
    if (!hasSessions()) onIdle();
  }, waitMs);
  let isStopped = false;
  return {
    touch() {
      // `refresh` also starts a timer that has fired.
      if (!isStopped) timer.refresh();
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
