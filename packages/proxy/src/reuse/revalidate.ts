import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { headerView } from '../http/headers.js';
import type { SpooledBody } from '../spooled-body.js';
import { openAnswer } from '../steps/open-answer.js';
import type { UpstreamRequest } from '../upstream/upstreams.js';
import { digestOfUrl, type RememberedAnswer } from './answer-memory.js';
import { freshnessOf } from './freshness.js';
import { mayReuse } from './may-reuse.js';
import { freshAnswer, revalidatedAnswer } from './stored-answer.js';
import { isAnswerTo, variantOf } from './variant.js';
import { verifiedBody } from './verified-body.js';

/**
 * Sends a request, with a condition of our own when an answer to one like it is remembered and its body is here: what the
 * upstream then calls current need not travel again. The condition is about what this store holds; those of the client stay
 * here as ever (ADR 2).
 *
 * @param options.takeTurn see {@link openAnswer}
 * @param options.mayBeFresh whether what the origin lets caches take for current is taken so, without a request. What a client asks
 *   for itself is asked of the upstream, so that a new version is there as soon as it is published; an index that only has to
 *   list what is here need not be.
 * @throws Stop
 */
export async function openCurrent(
  exchange: Exchange,
  context: ProxyContext,
  request: UpstreamRequest,
  { takeTurn, mayBeFresh = false }: OpenOptions,
): Promise<UpstreamAnswer> {
  const known = mayReuse(exchange, request) ? await findKnown(exchange, context, request) : undefined;
  if (!known) return openAnswer(exchange, context, request, takeTurn);
  const { remembered, body } = known;
  const ageMs = mayBeFresh ? ageWhileFresh(remembered, context) : undefined;
  if (ageMs !== undefined && (await context.upstreams.isAllowed(request)))
    return freshAnswer(body, remembered.headers, ageMs);
  const headers = [...request.headers, ...remembered.condition];
  const answer = await openAnswer(exchange, context, { ...request, headers }, takeTurn);
  if (answer.status !== 304) return answer;
  if (await answer.transfer.take()) answer.transfer.abort(new Error('a body where none may be'));
  if (isSame(remembered, answer)) {
    renew(remembered, answer, context);
    return revalidatedAnswer(body, remembered.headers, answer);
  }
  // It speaks of another version than the one that was asked about.
  context.answers.forget(remembered);
  return openAnswer(exchange, context, request, takeTurn);
}

/** undefined when the answer is not to be taken for current any more, or the clock was set back. */
function ageWhileFresh({ fresh }: RememberedAnswer, { settings }: ProxyContext): number | undefined {
  const now = settings.clock.now().getTime();
  return fresh && fresh.since <= now && now < fresh.until ? now - fresh.since : undefined;
}

/** Current again, for as long as the origin now says. RFC 9111 §4.3.4 */
function renew(remembered: RememberedAnswer, current: UpstreamAnswer, { answers, settings }: ProxyContext): void {
  if (remembered.isPrivate) return;
  const kept = headerView(remembered.headers);
  // A 304 need not repeat `Cache-Control`; its age and date are its own.
  const get = (name: string) => current.headers.get(name) ?? (name === 'cache-control' ? kept.get(name) : undefined);
  const fresh = freshnessOf({ headers: { get } }, settings.clock.now());
  if (fresh) answers.remember({ ...remembered, fresh });
}

interface OpenOptions {
  readonly takeTurn?: (() => Promise<() => void>) | undefined;
  readonly mayBeFresh?: boolean;
}

interface Known {
  readonly remembered: RememberedAnswer;
  readonly body: SpooledBody;
}

async function findKnown(
  exchange: Exchange,
  { answers, settings }: ProxyContext,
  request: UpstreamRequest,
): Promise<Known | undefined> {
  const all = answers.find(digestOfUrl(request.url));
  if (all.length === 0) return undefined;
  const variant = variantOf(request.headers);
  const remembered = all.findLast((one) => one.condition.length > 0 && isAnswerTo(one, request.headers, variant));
  if (!remembered) return undefined;
  const { blobs, limits, logger } = settings;
  const { smallBodyBytes } = limits;
  const body = await verifiedBody(remembered.sha256, { exchange, blobs, smallBodyBytes, logger });
  if (!body) answers.forget(remembered);
  return body && { remembered, body };
}

/** RFC 9110 §15.4.5: a 304 has the ETag that a 200 would have. */
function isSame({ headers }: RememberedAnswer, current: UpstreamAnswer): boolean {
  const kept = headerView(headers);
  return ['etag', 'last-modified'].every((name) => {
    const [before, now] = [kept.get(name), current.headers.get(name)];
    return before === undefined || now === undefined || opaque(before) === opaque(now);
  });
}

/** Weak comparison, as `If-None-Match` has it. RFC 9110 §8.8.3.2 */
function opaque(validator: string): string {
  return validator.trim().replace(/^W\//, '');
}
