import type { Clock } from '@waybill/contracts';
import type { Step } from './state.js';

/** A stretch of time in which one step of one part ran. */
export interface StepInterval {
  readonly part: string;
  readonly step: Step;
  readonly start: Date;
  readonly end: Date;
}

/** Remembers which step ran when: what the session saw at a time belongs to the step that ran then. */
export interface Timeline {
  readonly intervals: readonly StepInterval[];
  measure<T>(part: string, step: Step, work: () => Promise<T>): Promise<T>;
}

/** Starts an empty timeline. */
export function createTimeline(clock: Clock): Timeline {
  const intervals: StepInterval[] = [];
  return {
    intervals,
    async measure(part, step, work) {
      const start = clock.now();
      try {
        return await work();
      } finally {
        intervals.push({ part, step, start, end: clock.now() });
      }
    },
  };
}

/** The step that ran at a time: the innermost one when one called another. */
export function intervalAt(intervals: readonly StepInterval[], time: Date): StepInterval | undefined {
  return intervals
    .filter(({ start, end }) => start.getTime() <= time.getTime() && time.getTime() <= end.getTime())
    .sort((a, b) => b.start.getTime() - a.start.getTime())[0];
}
