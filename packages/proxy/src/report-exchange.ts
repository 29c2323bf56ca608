import type { ProxyContext } from './context.js';
import type { Exchange } from './exchange.js';
import type { ExchangeEvent } from './observer.js';
import { oneLine } from './record/clean-text.js';

/** Tells the observer how an exchange ended; exchanges that belong to nobody are told of when they are turned away. */
export function reportExchange(exchange: Exchange, { settings }: ProxyContext): void {
  const { session, client, incoming, answer, refusal } = exchange;
  if (!session || !settings.observer.exchangeFinished) return;
  if (client.isFinished && !exchange.stopped) exchange.reached('release');
  const event: ExchangeEvent = {
    sessionId: session.id,
    policy: session.policy,
    startedAt: exchange.startedAt,
    durationMs: performance.now() - exchange.startedMs,
    method: incoming.request.method ?? '',
    url: exchange.redactedUrl(() => incoming.request.url ?? ''),
    address: incoming.connection.address,
    status: client.isBroken || (exchange.stopped && !client.isFinished) ? 0 : client.status,
    upstreamBytes: answer?.transfer.received ?? 0,
    clientBytes: client.bytes,
    result: exchange.result,
    delivery: exchange.delivery,
    sha256: exchange.body?.sha256,
    phaseEnds: exchange.phaseEnds ?? {},
    claims: exchange.claims,
    inspections: exchange.inspections,
    refusal: refusal && {
      kind: refusal.kind,
      phase: refusal.phase,
      reason: oneLine(refusal.reason),
      inspector: refusal.inspector,
      limit: refusal.limit,
      delivered: refusal.delivered,
    },
  };
  try {
    settings.observer.exchangeFinished(event);
  } catch (error) {
    settings.logger.error({ error: String(error) }, 'the observer failed');
  }
}
