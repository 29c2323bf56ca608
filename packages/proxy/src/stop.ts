import type { RefusalPhase } from '@waybill/contracts';
import type { LimitName } from './limits/limit-name.js';

/** Why and how an exchange ends early. */
export interface StopFacts {
  /** A refusal was decided, a failure happened. */
  readonly kind: 'refusal' | 'failure';
  readonly phase: RefusalPhase;
  /** For the client, as long as nothing was sent to it. */
  readonly status: number;
  /** How the text for the client begins; existing log searches look for it (specs/fetch-service.md §3.4). */
  readonly headline: string;
  /** What was found and wanted. */
  readonly reason: string;
  readonly hint?: string | undefined;
  readonly inspector?: string | undefined;
  /** The connection cannot be used for another request. */
  readonly closes?: boolean | undefined;
  /** What ran out, when that is why. */
  readonly limit?: LimitName | undefined;
  /** When the client may try again. */
  readonly retryAfterSeconds?: number | undefined;
}

/**
 * Ends an exchange early. A step throws it and the pipeline catches it in one place, so that the way of a request stays
 * readable from top to bottom; it never leaves this package.
 */
export class Stop extends Error {
  readonly facts: StopFacts;

  constructor(facts: StopFacts, cause?: unknown) {
    super(facts.reason, cause === undefined ? undefined : { cause });
    this.name = 'Stop';
    this.facts = facts;
  }
}

export const headlines = {
  request: 'download authorization denied: request rejected by inspectors',
  denied: 'download authorization denied',
  artifact: 'Download not authorized',
  destination: 'Access denied',
  download: 'Cannot handle file downloads',
  requests: 'Cannot handle requests',
  tooLarge: 'Request body too large',
} as const;

/** The client sent something that we do not carry. */
export function protocolStop(status: number, reason: string, hint?: string): Stop {
  return new Stop({
    kind: 'refusal',
    phase: 'protocol',
    status,
    headline: headlines.requests,
    reason,
    hint,
    closes: true,
  });
}

/** The session is over. */
export function sessionStop(): Stop {
  return new Stop({
    kind: 'failure',
    phase: 'session',
    status: 403,
    headline: headlines.denied,
    reason: 'the session was revoked, has expired or was ended during the transfer',
    closes: true,
  });
}

/** The process stops. */
export function stoppingStop(): Stop {
  return new Stop({
    kind: 'failure',
    phase: 'session',
    status: 503,
    headline: headlines.download,
    reason: 'the service was stopped during the transfer',
    closes: true,
  });
}

/** The client is not there any more, or does not go on. */
export function clientStop(reason: string, status = 400): Stop {
  return new Stop({ kind: 'failure', phase: 'client', status, headline: headlines.requests, reason, closes: true });
}

/** Nobody can say whether the credentials are right. */
export function lookupStop(cause: unknown): Stop {
  return new Stop(
    {
      kind: 'failure',
      phase: 'storage',
      status: 503,
      headline: headlines.denied,
      reason: 'the session cannot be looked up now',
      hint: 'try again; the log of the service says what is wrong with its session store',
      closes: true,
    },
    cause,
  );
}

/** Body or record could not be written. */
export function storageStop(cause: unknown): Stop {
  const { code, message, hint } = cause as { code?: unknown; message?: unknown; hint?: unknown };
  const what = typeof code === 'string' ? ` (${code})` : '';
  return new Stop(
    {
      kind: 'failure',
      phase: 'storage',
      status: 503,
      headline: headlines.download,
      reason: `the download cannot be stored and recorded${what}: ${typeof message === 'string' ? message : String(cause)}`,
      hint: typeof hint === 'string' ? hint : 'check space and permissions of the spool and the session store',
    },
    cause,
  );
}

/** What the session trusts could not be read: nobody can say whether the body is right. */
export function trustStop(cause: unknown): Stop {
  const { code, message } = cause as { code?: unknown; message?: unknown };
  const what = typeof code === 'string' ? ` (${code})` : '';
  return new Stop(
    {
      kind: 'failure',
      phase: 'storage',
      status: 503,
      headline: headlines.download,
      reason: `which indexes the session trusts cannot be looked up${what}: ${typeof message === 'string' ? message : String(cause)}`,
      hint: 'try again; the log of the service says what is wrong with its session store',
    },
    cause,
  );
}

/** Anything that nobody planned for: refused like all else (promise 5). */
export function internalStop(cause: unknown): Stop {
  return new Stop(
    {
      kind: 'failure',
      phase: 'request',
      status: 500,
      headline: headlines.download,
      reason: 'an internal error of the proxy; its log has the details',
      closes: true,
    },
    cause,
  );
}
