import type { UpstreamAnswer } from '../answer.js';
import { describeAnswer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { endedTransfer } from '../upstream/transfer.js';

/**
 * The answer that the configuration gives to this very request: no upstream is asked. What follows is as for a download:
 * inspection, decision, record. undefined when there is none.
 */
export function answerItself(exchange: Exchange, method: string): UpstreamAnswer | undefined {
  if (exchange.admission?.result !== 'Approved') return undefined;
  const claim = exchange.claims.find(({ inspection }) => inspection.opinion === 'Pending' && inspection.answer);
  const given = claim?.inspection.answer;
  if (!given) return undefined;
  const body = Buffer.from(given.body);
  const rawHeaders = [
    'Content-Type',
    given.contentType,
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
  ];
  const answer = {
    ...describeAnswer({ status: 200, statusText: 'OK', rawHeaders }, endedTransfer(body), method),
    isOwn: true,
  };
  exchange.answer = answer;
  return answer;
}
