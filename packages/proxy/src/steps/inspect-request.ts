import type { ActiveSession, Claim, RequestView } from '@waybill/contracts';
import type { Exchange } from '../exchange.js';
import { headlines, Stop } from '../stop.js';

/**
 * Asks the session's inspectors who recognises the request.
 * @throws Stop when they cannot be asked (promise 5), in permissive sessions too
 */
export function inspectRequest(exchange: Exchange, session: ActiveSession, view: RequestView): readonly Claim[] {
  try {
    exchange.claims = session.inspectors.inspectRequest(view);
  } catch (cause) {
    throw new Stop(
      {
        kind: 'refusal',
        phase: 'request',
        status: 403,
        headline: headlines.denied,
        reason: 'the inspectors failed on this request; the log of the proxy has the details',
      },
      cause,
    );
  }
  return exchange.claims;
}
