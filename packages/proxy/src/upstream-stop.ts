import type { ProxyErrorCode } from './errors.js';
import { headlines, Stop, type StopFacts } from './stop.js';
import type { Target } from './upstream/target.js';
import { explainUpstreamFailure } from './upstream/upstream-failure.js';

const statuses: Partial<Record<ProxyErrorCode, number>> = { PROXY_UPSTREAM_TIMEOUT: 504, PROXY_CLOSED: 503 };

/** Why the upstream could not be reached, or did not finish, as the end of an exchange. */
export function upstreamStop(error: unknown, target: Target): Stop {
  if (error instanceof Stop) return error;
  const explained = explainUpstreamFailure(error, target);
  const facts: StopFacts =
    explained.code === 'PROXY_EGRESS_REFUSED'
      ? {
          kind: 'refusal',
          phase: 'destination',
          status: 403,
          headline: headlines.destination,
          reason: explained.message,
          hint: 'allow the address in acl.yaml if builds may reach it',
        }
      : {
          kind: 'failure',
          phase: 'upstream',
          status: statuses[explained.code] ?? 502,
          headline: headlines.download,
          reason: explained.message,
          hint: explained.hint,
        };
  return new Stop(facts, explained);
}
