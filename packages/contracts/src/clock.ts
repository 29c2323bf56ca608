/** Source of time, injected so that tests and evidence do not depend on the wall clock. */
export interface Clock {
  /** The current instant. */
  now(): Date;
}

/** The machine's own clock. */
export const systemClock: Clock = { now: () => new Date() };

/** RFC 3339 in UTC with milliseconds: the one spelling of time in every document we write. */
export function toRfc3339(instant: Date): string {
  return instant.toISOString();
}
