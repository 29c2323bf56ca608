import { describeAnswer, type UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import type { Transfer } from '../upstream/transfer.js';
import type { UpstreamRequest } from '../upstream/upstreams.js';
import { upstreamStop } from '../upstream-stop.js';

/** How often a request is sent again that a kept connection swallowed. */
const mostAttempts = 3;

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
  const answer = await openAnswer(exchange, context, request);
  exchange.answer = answer;
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

/** The same for any request of ours, without making it the exchange's answer. */
export async function openAnswer(
  exchange: Exchange,
  context: ProxyContext,
  request: UpstreamRequest,
): Promise<UpstreamAnswer> {
  for (let attempt = 1; ; attempt += 1) {
    exchange.check();
    const transfer = context.upstreams.open(request);
    const forget = exchange.whenStopped((stop) => transfer.abort(stop));
    exchange.atEnd(() => {
      forget();
      if (!transfer.isOver) transfer.abort(new Error('the exchange is over'));
    });
    try {
      return describeAnswer(await transfer.head, transfer, request.method);
    } catch (error) {
      exchange.check();
      if (attempt < mostAttempts && mayRepeat(request, transfer, error)) continue;
      throw upstreamStop(error, request.target);
    }
  }
}

/** RFC 9112 §9.3.1: a server may close an idle connection at the very moment we use it. */
function mayRepeat({ method, body }: UpstreamRequest, transfer: Transfer, error: unknown): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || body !== undefined || transfer.hasHead) return false;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'UND_ERR_SOCKET' || code === 'EWAYBILL_RESET' || code === 'EPIPE';
}
