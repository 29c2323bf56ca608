import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { formatAuthority } from '../http/authority.js';
import { noConnectionTo } from '../limits/limit-stops.js';
import { waitForSlot } from '../limits/wait-for-slot.js';
import { openCurrent } from '../reuse/revalidate.js';
import { originOf } from '../upstream/target.js';
import type { UpstreamRequest } from '../upstream/upstreams.js';
import { upstreamStop } from '../upstream-stop.js';

/**
 * Sends the request and waits for the head of the answer. Resolving, judging the addresses and connecting happen inside
 * `upstreams` when no kept connection is free. The transfer is aborted with the exchange.
 *
 * @throws Stop
 */
export async function fetchUpstream(
  exchange: Exchange,
  context: ProxyContext,
  request: UpstreamRequest,
): Promise<UpstreamAnswer> {
  const takeTurn = () => connectionTurn(exchange, context, request);
  const answer = await openCurrent(exchange, context, request, { takeTurn });
  exchange.answer = answer;
  exchange.reached('upstream');
  // 407 speaks of the client's credentials for *this* proxy; from an upstream it can only confuse.
  if (answer.status === 407) {
    answer.transfer.abort(new Error('unwanted answer'));
    throw upstreamStop(
      new Error('the upstream (or the proxy before it) answered 407 Proxy Authentication Required'),
      request.target,
    );
  }
  return answer;
}

/** Waits until a connection to the origin is the session's to use; the result gives it back. @throws Stop */
export function connectionTurn(
  exchange: Exchange,
  { limits, settings }: ProxyContext,
  { target }: UpstreamRequest,
): Promise<() => void> {
  const { turnWaitMs: waitMs } = settings.limits;
  const refusal = (held: number) => noConnectionTo(formatAuthority(target.authority), held, waitMs);
  const key = exchange.activeSession.id;
  return waitForSlot(exchange, { slots: limits.slotsOf(originOf(target)), key, most: 0, waitMs, refusal });
}
