import type { ActiveSession, Claim } from '@waybill/contracts';
import { type Decision, decideRequest } from '@waybill/policy';
import type { Exchange } from '../exchange.js';
import { headlines, Stop } from '../stop.js';
import type { DescribedRequest } from './describe.js';

/**
 * Decides whether the request goes upstream: what the inspectors say of it, then whether it carries out more than it may.
 * Permissive sessions go on in any case and keep the decision for the record.
 * @throws Stop when a strict session refuses it
 */
export function admit(
  exchange: Exchange,
  session: ActiveSession,
  claims: readonly Claim[],
  request: DescribedRequest,
): Decision {
  const said = decideRequest(claims, request.view.normalizedUrl);
  const decision = said.result === 'Approved' ? withinBounds(said, session, claims, request) : said;
  exchange.admission = decision;
  exchange.reached('request');
  if (session.policy === 'strict' && decision.result === 'Rejected') {
    throw new Stop({
      kind: 'refusal',
      phase: 'request',
      status: 403,
      headline: said.result === 'Rejected' ? headlines.request : headlines.denied,
      reason: decision.reason,
      hint: decision.hint,
      inspector: decision.inspector,
    });
  }
  return decision;
}

function withinBounds(
  said: Decision,
  { requestPolicy }: ActiveSession,
  claims: readonly Claim[],
  { view, body }: DescribedRequest,
): Decision {
  const { method, normalizedUrl, headers } = view;
  const refusal = requestPolicy?.refusalFor(
    { method, normalizedUrl, rawHeaders: headers.raw, bodyBytes: sizeOf(body) },
    claims,
  );
  return refusal ? { result: 'Rejected', ...refusal, claimants: said.claimants } : said;
}

function sizeOf(body: DescribedRequest['body']): number {
  if (body.kind === 'none') return 0;
  return body.kind === 'whole' ? body.bytes.length : (body.contentLength ?? Number.POSITIVE_INFINITY);
}
