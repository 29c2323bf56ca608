import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import {
  bodilessHead,
  notModifiedHead,
  partHead,
  replacedHead,
  unsatisfiableHead,
  wholeHead,
} from '../http/answer-head.js';
import { select } from '../http/conditional.js';
import type { SpooledBody } from '../spooled-body.js';
import { clientStop, storageStop } from '../stop.js';
import type { BodyFlow } from './body-flow.js';
import type { Outcome } from './decide.js';
import { isRefused } from './record.js';
import { answerRefusal } from './refuse.js';

/**
 * Answers the client, now that everything is decided and recorded.
 * @throws Stop when the client goes away or the stored body turns out to be broken
 */
export async function release(
  exchange: Exchange,
  context: ProxyContext,
  { answer, outcome }: { readonly answer: UpstreamAnswer; readonly outcome: Outcome },
): Promise<void> {
  exchange.reached('record');
  exchange.holdBackHeaders();
  exchange.check();
  if (outcome.refusal && isRefused(exchange, outcome)) return answerRefusal(exchange, context, outcome.refusal);
  if (outcome.kind === 'none') releaseNothing(exchange, answer);
  else if (outcome.kind === 'withheld') releaseText(exchange, answer);
  else await releaseBody(exchange, answer, outcome);
  if (!(await exchange.client.finished()))
    throw exchange.stopped ?? clientStop('the client does not read the answer any more');
}

function releaseNothing({ client, request }: Exchange, answer: UpstreamAnswer): void {
  const hasNoBodyEver = request?.method === 'HEAD' || answer.status === 204 || answer.status === 304;
  const isUnchanged =
    request?.method === 'HEAD' && answer.status === 200 && isNotModified(answer, request.method, request.headers);
  if (isUnchanged) client.start(notModifiedHead(answer));
  else if (!client.isStarted) client.start(hasNoBodyEver ? bodilessHead(answer) : wholeHead(answer, { size: 0 }));
  client.end();
}

function isNotModified(
  answer: UpstreamAnswer,
  method: string,
  request: Parameters<typeof select>[0]['request'],
): boolean {
  return select({ method, request, response: answer.headers, size: 0 }).kind === 'not-modified';
}

function releaseText({ client }: Exchange, answer: UpstreamAnswer): void {
  const text = `${answer.status} ${answer.statusText}`.trim();
  const body = `${text} (the upstream's text for this is withheld: a strict session passes on only approved bodies)\n`;
  client.start(replacedHead(answer, body));
  client.end(body);
}

async function releaseBody(
  exchange: Exchange,
  answer: UpstreamAnswer,
  { body, flow }: { readonly body: SpooledBody; readonly flow: BodyFlow },
): Promise<void> {
  const { client, request } = exchange;
  const { rawTrailers } = answer.transfer;
  if (flow.isStreaming) {
    await flow.finish();
    return client.end(undefined, client.takesTrailers ? rawTrailers : []);
  }
  if (client.isStarted || !request) return sendWhole(exchange, answer, body);
  const input = { method: request.method, request: request.headers, response: answer.headers, size: body.size };
  const selection = answer.status === 200 ? select(input) : { kind: 'whole' as const };
  switch (selection.kind) {
    case 'whole':
      return sendWhole(exchange, answer, body);
    case 'part':
      client.start(partHead(answer, selection.range, body.size));
      await pour(exchange, () => body.open(selection.range));
      return client.end();
    case 'not-modified':
      client.start(notModifiedHead(answer));
      return client.end();
    case 'unsatisfiable':
      client.start(unsatisfiableHead(answer, body.size));
      return client.end();
  }
}

async function sendWhole(exchange: Exchange, answer: UpstreamAnswer, body: SpooledBody): Promise<void> {
  const { client } = exchange;
  const trailers = client.takesTrailers ? answer.transfer.rawTrailers : [];
  if (!client.isStarted) client.start(wholeHead(answer, { size: body.size, hasTrailers: trailers.length > 0 }));
  if (body.small) return client.end(body.small, trailers);
  await pour(exchange, () => body.open());
  client.end(undefined, trailers);
}

/** A whole read is verified: the stream errors before its last byte when the stored bytes are not what they were. */
async function pour(exchange: Exchange, open: () => Readable): Promise<void> {
  const stream = opened(open);
  const forget = exchange.whenStopped((stop) => stream.destroy(stop));
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (await exchange.client.write(chunk)) continue;
      exchange.check();
      throw clientStop('the client does not read the answer any more');
    }
  } catch (error) {
    exchange.check();
    throw error instanceof Error && error.name === 'Stop' ? error : storageStop(error);
  } finally {
    forget();
    stream.destroy();
    await finished(stream).catch(() => {});
  }
}

function opened(open: () => Readable): Readable {
  try {
    return open();
  } catch (error) {
    throw storageStop(error);
  }
}
