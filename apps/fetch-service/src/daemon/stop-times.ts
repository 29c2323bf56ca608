import type { StopRequest } from '../cluster/topics.js';
import type { ServeOptions } from './serve-options.js';

/** What else has to be done after the last exchange: records are written, stores closed. */
const closingMs = 7_000;

/** How long each step of a stop may take, and the whole of it. By default within ten seconds. */
export function stopTimes({ drainSeconds, graceSeconds }: Pick<ServeOptions, 'drainSeconds' | 'graceSeconds'>): {
  readonly request: StopRequest;
  readonly withinMs: number;
} {
  const listenMs = drainSeconds * 1000;
  const graceMs = graceSeconds * 1000;
  // Connections without request have had the time of draining to be used once more.
  return { request: { listenMs, idleMs: 0, graceMs }, withinMs: listenMs + graceMs + closingMs };
}
