import type { Clock } from '@waybill/contracts';

/** A clock that only moves when told to. */
export interface FixedClock extends Clock {
  advance(milliseconds: number): void;
  set(instant: Date | string): void;
}

/** @param start instant that it shows at first */
export function fixedClock(start: Date | string = '2026-03-01T12:00:00.000Z'): FixedClock {
  let now = new Date(start).getTime();
  return {
    now: () => new Date(now),
    advance(milliseconds) {
      now += milliseconds;
    },
    set(instant) {
      now = new Date(instant).getTime();
    },
  };
}
