import { headlines, Stop, type StopFacts } from '../stop.js';
import type { LimitName } from './limit-name.js';

/** Soon enough for clients that retry by themselves, and no hammering. */
const retryAfterSeconds = 5;

const own = (key: LimitName) => `raise limits.${key} in inspectors.yaml if the build needs more`;
const busy = 'try again later; the operator can raise';

/** The session has as many connections open as it may. */
export function tooManyConnections(isOwn: boolean, found: number): Stop {
  return isOwn
    ? limitStop('connections', 429, `the session has ${found} connections open, as many as it may`, own('connections'))
    : limitStop(
        'service-connections',
        503,
        `the session has ${found} connections open, and the service no more to spare for it`,
        `${busy} --max-connections`,
      );
}

/** The request waited in vain for its turn. */
export function noTurn(isOwn: boolean, found: number, waitedMs: number): Stop {
  const waited = `this request waited ${waitedMs} ms for its turn`;
  return isOwn
    ? limitStop(
        'exchanges',
        429,
        `${found} requests of the session are under way, as many as may: ${waited}`,
        own('exchanges'),
      )
    : limitStop(
        'service-exchanges',
        503,
        `${found} requests of the session are under way, and the service has no more to spare for it: ${waited}`,
        `${busy} --max-exchanges`,
      );
}

/** All connections to one upstream that the session may use are in use. */
export function noConnectionTo(where: string, found: number, waitedMs: number): Stop {
  return limitStop(
    'origin-connections',
    503,
    `${found} requests of the session to ${where} are under way, and no connection to it became free in ${waitedMs} ms`,
    'ask for less at a time; a slow upstream keeps its connections long',
  );
}

/** The session asks faster than it may, by far. */
export function tooFast(perSecond: number): Stop {
  return limitStop(
    'requests-per-second',
    429,
    `the session makes more than ${perSecond} requests per second`,
    own('requests-per-second'),
  );
}

/** The session has used up what it may transfer. */
export function outOfBytes(most: number): Stop {
  return limitStop(
    'total-bytes',
    403,
    `the session has used up the ${most} bytes that it may download`,
    own('total-bytes'),
  );
}

/** The session has used up the artifacts that it may bring in. */
export function outOfDownloads(most: number): Stop {
  return limitStop('downloads', 403, `the session has used up its ${most} downloads`, own('downloads'));
}

function limitStop(limit: LimitName, status: StopFacts['status'], reason: string, hint: string): Stop {
  const mayRetry = status !== 403;
  return new Stop({
    kind: 'refusal',
    phase: 'session',
    status,
    headline: headlines.denied,
    reason,
    hint,
    limit,
    ...(mayRetry && { retryAfterSeconds }),
    // What is not wanted is the connection itself.
    closes: limit === 'connections' || limit === 'service-connections',
  });
}
