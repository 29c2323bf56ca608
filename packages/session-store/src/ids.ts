import { randomBytes } from 'node:crypto';
import type { Clock } from '@waybill/contracts';

/**
 * Row ids that sort in the order they were made in this process, and nearly so across processes: milliseconds, a counter,
 * and what tells processes apart.
 */
export function createIdSource(clock: Clock, process: string = randomBytes(6).toString('base64url')): () => string {
  let last = 0;
  let count = 0;
  return () => {
    const now = clock.now().getTime();
    count = now > last ? 0 : count + 1;
    last = Math.max(last, now);
    return `${timeText(last)}${count.toString(36).padStart(6, '0')}${process}`;
  };
}

/** Sorts behind all ids that were made earlier, and before those made at that time or later. */
export function idBefore(time: Date): string {
  return timeText(time.getTime());
}

/** Nine digits last until the year 5188. */
function timeText(ms: number): string {
  return ms.toString(36).padStart(9, '0');
}
