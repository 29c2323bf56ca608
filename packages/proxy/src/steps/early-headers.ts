import type { UpstreamAnswer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { wholeHead } from '../http/answer-head.js';
import { isSelective } from '../http/conditional.js';

/**
 * After `earlyHeadersAfterMs` the status and fields go out while the body stays back, so that clients with short read
 * time-outs wait on. A refusal is a broken transfer from then on. specs/fetch-service.md §3.4.
 *
 * Not for ranges and conditions, whose status is known only with the whole body, nor for clients that would take the end of
 * the connection for the end of the body.
 */
export function armEarlyHeaders(exchange: Exchange, answer: UpstreamAnswer): void {
  const { client, request, activeSession } = exchange;
  const { earlyHeadersAfterMs } = activeSession.limits;
  if (
    earlyHeadersAfterMs === 0 ||
    !request ||
    isSelective(request.method, request.headers) ||
    !client.canStream(answer.contentLength)
  )
    return;
  const elapsedMs = performance.now() - exchange.startedMs;
  const timer = setTimeout(send, Math.max(0, earlyHeadersAfterMs - elapsedMs));
  exchange.holdBackHeaders = () => clearTimeout(timer);
  exchange.atEnd(() => clearTimeout(timer));

  function send(): void {
    if (client.isStarted || !client.isOpen || exchange.stopped) return;
    exchange.delivery = 'early-headers';
    client.start(wholeHead(answer));
    client.flush();
  }
}
