import type { Exchange } from '../exchange.js';
import type { Stop } from '../stop.js';
import type { FairSlots } from './fair-slots.js';

/** Which slot an exchange wants, and for how long. */
export interface WantedSlot {
  readonly slots: FairSlots;
  readonly key: string;
  /** Bound of its own for the key; 0 = none. */
  readonly most: number;
  readonly waitMs: number;
  /** Why it gets none. */
  readonly refusal: (held: number) => Stop;
}

/**
 * Takes a slot, at once where one is free. The result gives it back, once.
 * @throws Stop when none became free in time, or the exchange was broken off
 */
export async function waitForSlot(exchange: Exchange, wanted: WantedSlot): Promise<() => void> {
  const { slots, key, most, waitMs, refusal } = wanted;
  const release = onlyOnce(() => slots.free(key));
  if (slots.tryTake(key, most)) return release;
  const { promise, resolve } = Promise.withResolvers<'taken' | 'late'>();
  let isTaken = false;
  const giveUp = slots.wait(key, most, () => {
    isTaken = true;
    resolve('taken');
  });
  const timer = setTimeout(() => resolve('late'), waitMs);
  try {
    const outcome = await exchange.unlessStopped(promise);
    if (outcome === 'taken') return release;
    throw refusal(slots.heldBy(key));
  } catch (error) {
    // It may have come in the very turn in which the wait ended otherwise.
    if (isTaken) release();
    throw error;
  } finally {
    clearTimeout(timer);
    giveUp();
  }
}

function onlyOnce(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    action();
  };
}
