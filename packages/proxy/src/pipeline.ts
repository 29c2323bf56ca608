import type { ProxyContext } from './context.js';
import { Exchange } from './exchange.js';
import type { Incoming } from './incoming.js';
import { reportExchange } from './report-exchange.js';
import { admit } from './steps/admit.js';
import { answerItself } from './steps/answer-itself.js';
import { authenticate } from './steps/authenticate.js';
import { decide } from './steps/decide.js';
import { describe } from './steps/describe.js';
import { fetchUpstream } from './steps/fetch.js';
import { inspectArtifact } from './steps/inspect-artifact.js';
import { inspectRequest } from './steps/inspect-request.js';
import { prepare } from './steps/prepare.js';
import { record } from './steps/record.js';
import { refuse, refuseCredentials } from './steps/refuse.js';
import { release } from './steps/release.js';
import { remember } from './steps/remember.js';
import { reuse } from './steps/reuse.js';
import { spool } from './steps/spool.js';
import { takeTurn } from './steps/take-turn.js';

/**
 * One exchange from top to bottom, a step a line. A step that ends it early throws a `Stop`, and `refuse` is the one place
 * that knows what then happens: record it, tell the client. Never rejects.
 */
export async function carry(incoming: Incoming, context: ProxyContext): Promise<void> {
  const { clock, limits, observer } = context.settings;
  const isTimed = observer.exchangeFinished !== undefined;
  const exchange = new Exchange(incoming, { startedAt: clock.now(), stallMs: limits.clientStallMs, isTimed });
  try {
    const session = await authenticate(exchange, context);
    if (!session) return await refuseCredentials(exchange, context);
    await takeTurn(exchange, session, context);
    const request = await describe(exchange, session, context);
    const claims = inspectRequest(exchange, session, request.view);
    admit(exchange, session, claims, request);
    const outgoing = prepare(session, request);
    const answer =
      answerItself(exchange, outgoing.method) ??
      (await reuse(exchange, context, outgoing)) ??
      (await fetchUpstream(exchange, context, outgoing));
    const spooled = await spool(exchange, context, answer);
    const inspections = await inspectArtifact(exchange, context, { answer, spooled });
    const outcome = decide(exchange, { answer, spooled, inspections });
    await record(exchange, context, { answer, outcome });
    remember(exchange, context, { outgoing, answer });
    await release(exchange, context, { answer, outcome });
  } catch (error) {
    await refuse(exchange, context, error);
  } finally {
    reportExchange(exchange, context);
    exchange.finish();
  }
}
