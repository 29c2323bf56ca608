import type { BodyDigests, Digest, VouchedDigest } from '@waybill/contracts';
import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { digestOfUrl, type RememberedAnswer } from '../reuse/answer-memory.js';
import { mayReuse } from '../reuse/may-reuse.js';
import { reusedAnswer } from '../reuse/stored-answer.js';
import { isAnswerTo, variantOf } from '../reuse/variant.js';
import { verifiedBody } from '../reuse/verified-body.js';
import type { SpooledBody } from '../spooled-body.js';
import type { UpstreamRequest } from '../upstream/upstreams.js';
import { vouchedFor } from './vouched-for.js';

/**
 * The answer out of the blob store when this session knows the digest that the body must have and the store has such a body:
 * no upstream is asked. What follows is as for a download: inspection, decision, record. undefined when there is none.
 *
 * Only the session's own vouches count, and only for bodies that anybody may have or that were given to the same credentials
 * under the same URL: whoever configures a session may bring an index that lists any digest (ADR 6). sha1 alone never suffices:
 * two files with one sha1 can be made.
 *
 * @throws Stop when the exchange is broken off
 */
export async function reuse(
  exchange: Exchange,
  context: ProxyContext,
  outgoing: UpstreamRequest,
): Promise<UpstreamAnswer | undefined> {
  if (exchange.admission?.result !== 'Approved' || !mayReuse(exchange, outgoing)) return undefined;
  const remembered = context.answers.find(digestOfUrl(outgoing.url));
  // Asking for the voucher first pays only where the body is likely to be here.
  const [vouch] = await vouchedFor(exchange, context, { mayFetch: remembered.length > 0 });
  if (!vouch) return undefined;
  const own = findOwn(remembered, outgoing);
  // Anybody who may configure a session may pin any digest: it must be this URL's, for the same credentials.
  if (vouch.vouchedBy.kind === 'digest' && !own) return undefined;
  const body = await findBody(exchange, context, { vouch, remembered, own });
  // No connection is made; where none would be allowed, the way to the upstream says why.
  if (!body || !(await context.upstreams.isAllowed(outgoing))) return undefined;
  const headers = own?.sha256 === body.digests.sha256 ? own.headers : undefined;
  const answer = reusedAnswer(body, headers, outgoing.method);
  exchange.answer = answer;
  return answer;
}

function findOwn(remembered: readonly RememberedAnswer[], { headers }: UpstreamRequest): RememberedAnswer | undefined {
  if (remembered.length === 0) return undefined;
  const variant = variantOf(headers);
  return remembered.findLast((one) => isAnswerTo(one, headers, variant));
}

interface Search {
  readonly vouch: VouchedDigest;
  readonly remembered: readonly RememberedAnswer[];
  readonly own: RememberedAnswer | undefined;
}

async function findBody(
  exchange: Exchange,
  { settings, answers }: ProxyContext,
  { vouch, remembered, own }: Search,
): Promise<SpooledBody | undefined> {
  const { blobs, limits, logger } = settings;
  const strong = strongestFirst(vouch.digests);
  if (strong.length === 0) return undefined;
  const reading = { exchange, blobs, smallBodyBytes: limits.smallBodyBytes, logger };
  const sha512 = strong.some(({ algorithm }) => algorithm === 'sha512');
  const tried = new Set<string>();
  for await (const name of candidates()) {
    if (tried.has(name)) continue;
    tried.add(name);
    if (name !== own?.sha256 && !answers.isPublic(name)) continue;
    const body = await verifiedBody(name, reading, { sha512 });
    if (body && isVouched(strong, body.digests) && (vouch.size ?? body.size) === body.size) return body;
    if (!body) for (const one of remembered) if (one.sha256 === name) answers.forget(one);
  }
  return undefined;

  /** The likely one first. */
  async function* candidates(): AsyncGenerator<string> {
    if (own) yield own.sha256;
    if (vouch.vouchedBy.kind === 'digest') return;
    for (const digest of strong) {
      // A store that cannot be asked has nothing to reuse; a download meets the same fault where it counts.
      const name = await blobs.resolve(digest).catch(() => undefined);
      if (name !== undefined) yield name;
    }
    // The store knows the sha512 of a large body only when it was wanted: then the body itself has to tell.
    if (sha512) for (const { sha256 } of remembered) yield sha256;
  }
}

/** What a body can be found by and hashed with, without sha1. */
function strongestFirst(digests: readonly Digest[]): readonly Digest[] {
  return ['sha512', 'sha256'].flatMap((wanted) => digests.filter(({ algorithm }) => algorithm === wanted));
}

/** The strongest digest decides; several of that algorithm are alternatives. */
function isVouched(strong: readonly Digest[], actual: BodyDigests): boolean {
  const [{ algorithm }] = strong as readonly [Digest];
  const found = algorithm === 'sha512' ? actual.sha512 : actual.sha256;
  return strong.some((digest) => digest.algorithm === algorithm && digest.hex === found);
}
