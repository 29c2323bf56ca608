import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { listMembers } from '../http/headers.js';
import { digestOfUrl, type RememberedAnswer } from '../reuse/answer-memory.js';
import { freshnessOf } from '../reuse/freshness.js';
import { mayReuse } from '../reuse/may-reuse.js';
import { describingFields } from '../reuse/stored-answer.js';
import { variantOf, varyOf } from '../reuse/variant.js';
import type { UpstreamRequest } from '../upstream/upstreams.js';

/** A date is no good validator for a file that changed in the minute before it was sent. RFC 9110 §8.8.2.2 */
const oldEnoughMs = 60_000;

/** Keeps in mind what was approved and is recorded, for the requests of later sessions. */
export function remember(
  exchange: Exchange,
  { answers, settings }: ProxyContext,
  { outgoing, answer }: { readonly outgoing: UpstreamRequest; readonly answer: UpstreamAnswer },
): void {
  if (exchange.result === 'Approved' && exchange.body && !exchange.isSecret)
    keep({ outgoing, answer, sha256: exchange.body.sha256 });
  for (const companion of exchange.companions) {
    const result = companion.verdict?.result ?? exchange.result;
    if (result === 'Approved') keep({ ...companion, sha256: companion.body.digests.sha256 });
  }

  function keep(approved: ApprovedAnswer): void {
    if (approved.answer.stored || !mayReuse(exchange, approved.outgoing)) return;
    const remembered = toRemembered(approved, settings.clock.now());
    if (!remembered) return;
    answers.remember(remembered);
    if (isForAnybody(approved, remembered)) answers.publish(approved.sha256);
  }
}

interface ApprovedAnswer {
  readonly outgoing: UpstreamRequest;
  readonly answer: UpstreamAnswer;
  readonly sha256: string;
}

function toRemembered({ outgoing, answer, sha256 }: ApprovedAnswer, now: Date): RememberedAnswer | undefined {
  const { status, headers } = answer;
  if (status !== 200 || listMembers(headers.get('cache-control')).includes('no-store')) return undefined;
  const described = describingFields(answer.endToEnd);
  const vary = varyOf(headers.get('vary'), outgoing.headers);
  if (!described || !vary) return undefined;
  const variant = variantOf(outgoing.headers);
  // What was given for credentials, the origin decides anew each time.
  const fresh = variant.isPrivate ? undefined : freshnessOf(answer, now);
  return {
    url: digestOfUrl(outgoing.url),
    ...variant,
    vary,
    sha256,
    headers: described,
    condition: conditionOf(answer),
    ...(fresh && { fresh }),
  };
}

/**
 * Whether the request proved nothing that another session may lack: no field that could be a credential, and no query, where
 * addresses that are signed or hold a token have it.
 */
function isForAnybody({ outgoing }: ApprovedAnswer, { isPrivate }: RememberedAnswer): boolean {
  return !isPrivate && !outgoing.path.includes('?');
}

function conditionOf({ headers }: UpstreamAnswer): readonly string[] {
  const tag = headers.get('etag')?.trim();
  if (tag !== undefined && /^(?:W\/)?"[^"]*"$/.test(tag)) return ['If-None-Match', tag];
  const modified = headers.get('last-modified');
  const [sentAt, modifiedAt] = [Date.parse(headers.get('date') ?? ''), Date.parse(modified ?? '')];
  return modified !== undefined && sentAt - modifiedAt >= oldEnoughMs ? ['If-Modified-Since', modified] : [];
}
