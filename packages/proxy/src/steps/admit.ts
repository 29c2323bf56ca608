import type { ActiveSession, Claim, RequestView } from '@waybill/contracts';
import { type Decision, decideRequest } from '@waybill/policy';
import type { Exchange } from '../exchange.js';
import { headlines, Stop } from '../stop.js';

/**
 * Decides whether the request goes upstream. Permissive sessions go on in any case and keep the decision for the record.
 * @throws Stop when a strict session refuses it
 */
export function admit(
  exchange: Exchange,
  session: ActiveSession,
  claims: readonly Claim[],
  view: RequestView,
): Decision {
  const decision = decideRequest(claims, view.normalizedUrl);
  exchange.admission = decision;
  if (session.policy === 'strict' && decision.result === 'Rejected') {
    throw new Stop({
      kind: 'refusal',
      phase: 'request',
      status: 403,
      headline: headlines.request,
      reason: decision.reason,
      hint: decision.hint,
      inspector: decision.inspector,
    });
  }
  return decision;
}
