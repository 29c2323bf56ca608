import type { ExchangeRecord, Result } from '@waybill/contracts';
import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { companionRecords } from '../record/companion-records.js';
import { isSessionOver } from '../record/recorder.js';
import { answerRecord, downloadRecord, refusalRecord } from '../record/records.js';
import { sessionStop, storageStop } from '../stop.js';
import type { Outcome } from './decide.js';

/**
 * Makes the record durable. Nothing of the body's end leaves before this resolves (promise 2).
 * @throws Stop when it cannot be written
 */
export async function record(
  exchange: Exchange,
  context: ProxyContext,
  { answer, outcome }: { readonly answer: UpstreamAnswer; readonly outcome: Outcome },
): Promise<void> {
  const endedAt = context.settings.clock.now();
  exchange.reached('inspection');
  const refused = isRefused(exchange, outcome);
  if (outcome.kind === 'artifact' || outcome.kind === 'answer')
    exchange.delivery = deliveryOf(exchange, answer, refused);
  if (outcome.refusal) exchange.refusal = { ...outcome.refusal, delivered: !refused };
  exchange.result = outcome.kind === 'artifact' ? outcome.decision.result : resultOf(exchange, outcome);
  const records = recordsOf(exchange, { answer, outcome, endedAt, refused });
  try {
    await context.recorder.record(records);
  } catch (error) {
    throw isSessionOver(error) ? sessionStop() : storageStop(error);
  }
  exchange.isRecorded = true;
  const provided = records.flatMap((one) => (one.kind === 'download' ? one.provides : []));
  if (provided.length > 0)
    context.catalogs.forget(
      exchange.activeSession.id,
      provided.map(({ scope }) => scope),
    );
}

/** Whether the client does not get it. */
export function isRefused(exchange: Exchange, { refusal }: Outcome): boolean {
  return refusal !== undefined && exchange.activeSession.policy === 'strict';
}

function deliveryOf(exchange: Exchange, { stored, isOwn }: UpstreamAnswer, refused: boolean): Exchange['delivery'] {
  if (isOwn && !refused) return 'answered';
  if (stored && !refused) return stored.how;
  if (exchange.delivery === 'none') return refused ? 'withheld' : 'held';
  return exchange.delivery;
}

interface Facts {
  readonly answer: UpstreamAnswer;
  readonly outcome: Outcome;
  readonly endedAt: Date;
  readonly refused: boolean;
}

function recordsOf(exchange: Exchange, { answer, outcome, endedAt, refused }: Facts): ExchangeRecord[] {
  const { refusal: facts } = outcome;
  const status = refused ? (exchange.client.isStarted ? 0 : (facts?.status ?? 0)) : answer.status;
  const refusal = facts && refusalRecord(exchange, { facts, at: endedAt, status, delivered: !refused });
  const companions = companionRecords(exchange);
  if (outcome.kind === 'artifact') {
    const { decision } = outcome;
    return [downloadRecord(exchange, { answer, decision, endedAt, refusal }), ...companions];
  }
  const { note } = outcome;
  const response = answerRecord(exchange, { answer, note, result: exchange.result, endedAt });
  return refusal ? [response, refusal, ...companions] : [response, ...companions];
}

/** What strict says: an answer with a body that nobody can approve is rejected, one without is as good as its request. */
function resultOf({ admission }: Exchange, { kind }: Outcome): Result | undefined {
  return kind === 'none' ? admission?.result : 'Rejected';
}
