import type { RequestView } from '@waybill/contracts';
import { decideRequest, normalizeUrl } from '@waybill/policy';
import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import { ProxyError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { headerView } from '../http/headers.js';
import { openCurrent } from '../reuse/revalidate.js';
import { type SpooledBody, spooledBody } from '../spooled-body.js';
import { storageStop } from '../stop.js';
import { connectionTurn } from './fetch.js';
import { prepareGet } from './prepare.js';
import { isSecretAnswer } from './unkept-body.js';

/** So many per artifact, enough for the proof of one leaf in a log of any size; an inspector that wants more is broken. */
const mostCompanions = 24;

interface CompanionWish {
  readonly url: URL;
  readonly maxBytes: number;
  readonly accept?: string | undefined;
}

/**
 * Fetches something that belongs to the artifact, from its own origin or from where the client itself might have fetched it:
 * same guard, same secrets, and a record. undefined unless the upstream answers 200 within `maxBytes`.
 *
 * @throws ProxyError PROXY_COMPANION_REFUSED
 * @throws Stop when the upstream or the storage fails
 */
export async function fetchCompanion(
  exchange: Exchange,
  context: ProxyContext,
  { url, maxBytes, accept }: CompanionWish,
): Promise<Uint8Array | undefined> {
  const { activeSession: session, request, companions } = exchange;
  if (!request) throw new Error('a companion belongs to a request');
  // Looked at before the body to know its digest, and again with it.
  const known = companions.find(({ view }) => view.url.href === url.href);
  if (known) return known.body.size > maxBytes ? undefined : bytesOf(known.body);
  if (companions.length >= mostCompanions) {
    throw new ProxyError('PROXY_COMPANION_REFUSED', `more than ${mostCompanions} companions of one artifact`);
  }
  const { clock } = context.settings;
  const startedAt = clock.now();
  const view = companionView(url, request, accept);
  const claims = session.inspectors.inspectRequest(view);
  if (url.origin !== request.url.origin && decideRequest(claims, view.normalizedUrl).result === 'Rejected') {
    throw new ProxyError(
      'PROXY_COMPANION_REFUSED',
      `${url.origin} is not the origin of the artifact, and the session allows no request for ${view.normalizedUrl}`,
    );
  }
  if (isSecretAnswer(claims)) {
    throw new ProxyError('PROXY_COMPANION_REFUSED', `${view.normalizedUrl} answers with a credential`);
  }
  const outgoing = prepareGet(session, view);
  // Before the body itself is asked for, it is the companion that takes the session's turn.
  const takeTurn = exchange.answer ? undefined : () => connectionTurn(exchange, context, outgoing);
  const answer = await openCurrent(exchange, context, outgoing, { takeTurn, mayBeFresh: true });
  const fetched = answer.status === 200 ? await takeIn(exchange, context, { answer, maxBytes }) : undefined;
  if (!fetched) {
    answer.transfer.abort(new Error('not a companion'));
    return undefined;
  }
  const { bytes, body } = fetched;
  companions.push({ startedAt, endedAt: clock.now(), view, claims, outgoing, answer, body, verdict: undefined });
  return bytes;
}

async function takeIn(
  exchange: Exchange,
  context: ProxyContext,
  { answer, maxBytes }: { readonly answer: UpstreamAnswer; readonly maxBytes: number },
): Promise<{ readonly bytes: Buffer; readonly body: SpooledBody } | undefined> {
  if (answer.stored) {
    const { body } = answer.stored;
    return body.size > maxBytes ? undefined : { bytes: await bytesOf(body), body };
  }
  const bytes = await readBounded(exchange, answer, maxBytes);
  return bytes && { bytes, body: await store(bytes, context) };
}

async function bytesOf(body: SpooledBody): Promise<Buffer> {
  if (body.small) return body.small;
  const parts: Buffer[] = [];
  for await (const part of body.open() as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts, body.size);
}

function companionView(url: URL, artifact: RequestView, accept = '*/*'): RequestView {
  const userAgent = artifact.headers.get('user-agent');
  return {
    method: 'GET',
    url,
    normalizedUrl: normalizeUrl(url),
    headers: headerView(['Accept', accept, ...(userAgent === undefined ? [] : ['User-Agent', userAgent])]),
  };
}

async function readBounded(
  { use }: Exchange,
  { transfer, contentLength }: UpstreamAnswer,
  maxBytes: number,
): Promise<Buffer | undefined> {
  if ((contentLength ?? 0) > maxBytes) return undefined;
  const parts: Buffer[] = [];
  for (let chunks = await transfer.take(); chunks; chunks = await transfer.take()) {
    if (transfer.received > maxBytes) return undefined;
    parts.push(...chunks);
  }
  use?.received(transfer.received);
  return Buffer.concat(parts);
}

/** Keeps no large one in memory: who asked for it has it, and the inspectors that look at it afterwards read the store. */
async function store(bytes: Buffer, { settings }: ProxyContext): Promise<SpooledBody> {
  const { blobs, limits } = settings;
  const writer = blobs.create({ sizeHint: bytes.length });
  try {
    await writer.write(bytes);
    const { digests, size } = await writer.commit();
    return spooledBody({ blobs, digests, size, small: size <= limits.smallBodyBytes ? bytes : undefined });
  } catch (error) {
    await writer.abort().catch(() => {});
    throw storageStop(error);
  }
}
