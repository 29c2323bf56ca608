/** Lets so many work at a time; others wait in order. */
export interface Slots {
  /**
   * Resolves with the function that gives the slot back (idempotent).
   * @throws the signal's reason when it fires while waiting
   */
  take(signal: AbortSignal): Promise<() => void>;
}

export function createSlots(count: number): Slots {
  let free = count;
  const waiting = new Set<() => void>();

  function slot(): () => void {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const [next] = waiting;
      if (next) next();
      else free += 1;
    };
  }

  return {
    async take(signal) {
      signal.throwIfAborted();
      if (free > 0) {
        free -= 1;
        return slot();
      }
      return new Promise((resolve, reject) => {
        const onTurn = () => {
          waiting.delete(onTurn);
          signal.removeEventListener('abort', onAbort);
          resolve(slot());
        };
        const onAbort = () => {
          waiting.delete(onTurn);
          reject(signal.reason);
        };
        waiting.add(onTurn);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    },
  };
}
