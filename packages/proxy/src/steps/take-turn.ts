import type { ActiveSession } from '@waybill/contracts';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { noTurn, tooFast } from '../limits/limit-stops.js';
import type { SessionUse } from '../limits/session-use.js';
import { waitForSlot } from '../limits/wait-for-slot.js';
import { storageStop } from '../stop.js';

/**
 * Waits until it is the exchange's turn: sessions share the service, and each has its own limits. Nothing of the request's body
 * is read before.
 * @throws Stop when a total is used up, or the turn does not come in time
 */
export async function takeTurn(exchange: Exchange, session: ActiveSession, context: ProxyContext): Promise<void> {
  const { limits, settings } = context;
  const { turnWaitMs: waitMs } = settings.limits;
  const use = limits.useOf(session);
  if (use) {
    exchange.use = use;
    await checkTotals(use);
    await keepRate(exchange, use, waitMs);
  }
  const most = use?.quotas.exchanges ?? 0;
  const { exchanges: slots } = limits;
  const refusal = (held: number) => noTurn(most > 0 && held >= most, held, waitMs);
  exchange.atEnd(await waitForSlot(exchange, { slots, key: session.id, most, waitMs, refusal }));
  exchange.reached('turn');
}

async function checkTotals(use: SessionUse): Promise<void> {
  try {
    await use.refresh();
  } catch (error) {
    // What cannot be counted cannot be allowed (promise 5).
    throw storageStop(error);
  }
  use.check();
}

async function keepRate(exchange: Exchange, { requests, quotas }: SessionUse, mostMs: number): Promise<void> {
  if (!requests) return;
  if (requests.delayOf(1) > mostMs) throw tooFast(quotas.requestsPerSecond);
  const waitMs = requests.use(1);
  if (waitMs > 0) await pause(exchange, waitMs);
}

/**
 * Books what came from an upstream, and waits as long as the session's bandwidth wants it: the upstream is not read meanwhile.
 * @throws Stop when it is too much
 */
export async function bookBytes(exchange: Exchange, use: SessionUse, chunks: readonly Buffer[]): Promise<void> {
  const waitMs = use.received(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  if (waitMs > 0) await pause(exchange, waitMs);
}

/** Waits, but not beyond the end of the exchange. @throws Stop */
async function pause(exchange: Exchange, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await exchange.unlessStopped(new Promise((resolve) => (timer = setTimeout(resolve, ms))));
  } finally {
    clearTimeout(timer);
  }
}
