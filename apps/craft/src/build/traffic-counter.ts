import type { Progress } from '../output/progress.js';
import type { SessionEvent } from '../session/follow-session.js';

/** Adds up what the relay carries and what the session tells, for the screen. */
export interface TrafficCounter {
  relayed(traffic: { readonly requests: number; readonly bytes: number }): void;
  seen(event: SessionEvent): void;
}

/** So many refusals are shown while the build runs; a permissive session of something big has thousands. */
const mostShown = 20;

/** Starts at nothing. Refusals are shown as they happen, each reason and URL once. */
export function createTrafficCounter(progress: Progress): TrafficCounter {
  let [requests, bytes, downloads, refusals] = [0, 0, 0, 0];
  const shown = new Set<string>();
  const tell = () => progress.traffic({ downloads, bytes, refusals, requests });
  return {
    relayed(traffic) {
      requests = traffic.requests;
      bytes = traffic.bytes;
      tell();
    },
    seen(event) {
      if (event.kind === 'download') downloads++;
      if (event.kind === 'refusal') {
        refusals++;
        const text = `${event.delivered ? 'a strict session would refuse' : 'refused'}: ${event.url}: ${event.reason}`;
        if (!shown.has(text) && shown.size <= mostShown) {
          progress.warn(shown.size < mostShown ? text : 'and more, which are listed at the end and in the report');
          shown.add(text);
        }
      }
      tell();
    },
  };
}
