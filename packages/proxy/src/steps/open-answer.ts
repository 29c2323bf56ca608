import { describeAnswer, type UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import { ProxyError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { formatAuthority } from '../http/authority.js';
import { responseFault } from '../http/response-framing.js';
import type { Transfer } from '../upstream/transfer.js';
import type { UpstreamRequest } from '../upstream/upstreams.js';
import { upstreamStop } from '../upstream-stop.js';

/** How often a request is sent again that a kept connection swallowed. */
const mostAttempts = 3;

/**
 * Sends a request as it is, without making it the exchange's answer.
 * @param takeTurn waits for its turn; what belongs to an exchange that had its own does not wait again
 */
export async function openAnswer(
  exchange: Exchange,
  context: ProxyContext,
  request: UpstreamRequest,
  takeTurn?: () => Promise<() => void>,
): Promise<UpstreamAnswer> {
  for (let attempt = 1; ; attempt += 1) {
    const release = await takeTurn?.();
    if (exchange.stopped) release?.();
    exchange.check();
    const transfer = context.upstreams.open(request);
    transfer.onOver = release;
    if (transfer.isOver) release?.();
    const forget = exchange.whenStopped((stop) => transfer.abort(stop));
    exchange.atEnd(() => {
      forget();
      if (!transfer.isOver) transfer.abort(new Error('the exchange is over'));
    });
    try {
      return believed(describeAnswer(await transfer.head, transfer, request.method), context, request);
    } catch (error) {
      exchange.check();
      if (attempt < mostAttempts && mayRepeat(request, transfer, error)) continue;
      throw upstreamStop(error, request.target);
    }
  }
}

function believed(answer: UpstreamAnswer, { settings }: ProxyContext, { target }: UpstreamRequest): UpstreamAnswer {
  const fault = responseFault(answer.headers, settings.limits.headerFields);
  if (fault === undefined) return answer;
  const error = new ProxyError('PROXY_UPSTREAM_PROTOCOL', `${formatAuthority(target.authority)} ${fault}`);
  answer.transfer.abort(error);
  throw error;
}

/** RFC 9112 §9.3.1: a server may close an idle connection at the very moment we use it. */
function mayRepeat({ method, body }: UpstreamRequest, transfer: Transfer, error: unknown): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || body !== undefined || transfer.hasHead) return false;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'UND_ERR_SOCKET' || code === 'EWAYBILL_RESET' || code === 'EPIPE';
}
