import type { RequestView } from '@waybill/contracts';
import { normalizeUrl } from '@waybill/policy';
import type { UpstreamAnswer } from '../answer.js';
import type { ProxyContext } from '../context.js';
import { ProxyError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { headerView } from '../http/headers.js';
import { type SpooledBody, spooledBody } from '../spooled-body.js';
import { storageStop } from '../stop.js';
import { openAnswer } from './fetch.js';
import { prepareGet } from './prepare.js';

/** So many per artifact; an inspector that wants more is broken. */
const mostCompanions = 8;

/**
 * Fetches something that belongs to the artifact from the same origin: same guard, same secrets, and a record. undefined unless
 * the upstream answers 200 within `maxBytes`.
 *
 * @throws ProxyError PROXY_COMPANION_REFUSED
 * @throws Stop when the upstream or the storage fails
 */
export async function fetchCompanion(
  exchange: Exchange,
  context: ProxyContext,
  { url, maxBytes }: { readonly url: URL; readonly maxBytes: number },
): Promise<Uint8Array | undefined> {
  const { activeSession: session, request, companions } = exchange;
  if (!request || url.origin !== request.url.origin) {
    throw new ProxyError('PROXY_COMPANION_REFUSED', `${url.origin} is not the origin of the artifact`);
  }
  if (companions.length >= mostCompanions) {
    throw new ProxyError('PROXY_COMPANION_REFUSED', `more than ${mostCompanions} companions of one artifact`);
  }
  const { clock } = context.settings;
  const startedAt = clock.now();
  const view = companionView(url, request);
  const answer = await openAnswer(exchange, context, prepareGet(session, view));
  const bytes = answer.status === 200 ? await readBounded(answer, maxBytes) : undefined;
  if (!bytes) {
    answer.transfer.abort(new Error('not a companion'));
    return undefined;
  }
  const body = await store(bytes, context);
  const claims = session.inspectors.inspectRequest(view);
  companions.push({ startedAt, endedAt: clock.now(), view, claims, answer, body, verdict: undefined });
  return bytes;
}

function companionView(url: URL, artifact: RequestView): RequestView {
  const userAgent = artifact.headers.get('user-agent');
  return {
    method: 'GET',
    url,
    normalizedUrl: normalizeUrl(url),
    headers: headerView(['Accept', '*/*', ...(userAgent === undefined ? [] : ['User-Agent', userAgent])]),
  };
}

async function readBounded({ transfer, contentLength }: UpstreamAnswer, maxBytes: number): Promise<Buffer | undefined> {
  if ((contentLength ?? 0) > maxBytes) return undefined;
  const parts: Buffer[] = [];
  for (let chunks = await transfer.take(); chunks; chunks = await transfer.take()) {
    if (transfer.received > maxBytes) return undefined;
    parts.push(...chunks);
  }
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
