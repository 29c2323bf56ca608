/** Ends a daemon that nobody uses. specs/fetch-service.md §6.4 */
export interface IdleShutdown {
  /** Something happened: the time starts anew. It starts with the first call, so that a slow start is not taken for idleness. */
  touch(): void;
  stop(): void;
}

/**
 * @param seconds 0 = never
 * @param hasSessions asked when the time is over: with sessions the daemon stays, until something happens and time passes again
 */
export function createIdleShutdown(
  seconds: number,
  hasSessions: () => boolean | Promise<boolean>,
  onIdle: () => void,
): IdleShutdown {
  if (seconds === 0) return { touch() {}, stop() {} };
  // Timers hold at most 2^31-1 ms, which is 24 days.
  const waitMs = Math.min(seconds * 1000, 2 ** 31 - 1);
  let isStopped = false;
  let touches = 0;
  let timer: NodeJS.Timeout | undefined;
  const onTime = async () => {
    const before = touches;
    // Who cannot say whether there are sessions is not taken for idle.
    const isUsed = await Promise.resolve(hasSessions()).catch(() => true);
    if (!isUsed && touches === before && !isStopped) onIdle();
  };
  return {
    touch() {
      touches++;
      if (isStopped) return;
      // `refresh` also starts a timer that has fired.
      if (timer) timer.refresh();
      else timer = setTimeout(onTime, waitMs);
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
