import type { ActiveSession, RequestView } from '@waybill/contracts';
import { withoutFields } from '../http/headers.js';
import { withoutHopByHop } from '../http/hop-by-hop.js';
import { type Injected, injectCredential } from '../secrets/inject.js';
import { targetOf } from '../upstream/target.js';
import type { UpstreamRequest } from '../upstream/upstreams.js';
import type { DescribedRequest } from './describe.js';

/** Ours to say, or (ranges, conditions) not to be asked: the whole artifact is fetched and the client answered out of it. */
const neverForwarded = new Set([
  ...['host', 'content-length', 'expect', 'accept-encoding', 'range', 'if-range'],
  // Servers that turn `_` into `-` would read them as framing that we did not check.
  ...['content_length', 'transfer_encoding'],
]);

/** Conditions of GET and HEAD, evaluated here; for other methods they guard a write at the upstream. RFC 9110 §13. */
const ownConditions = new Set(['if-none-match', 'if-modified-since']);

/**
 * The request as the upstream gets it: end-to-end fields of the client in their order and case, identity coding, and the
 * session's credential for this URL.
 *
 * @throws Stop when a credential is configured that cannot be applied
 */
export function prepare(session: ActiveSession, { view, body }: DescribedRequest): UpstreamRequest {
  const isRead = view.method === 'GET' || view.method === 'HEAD';
  const headers = withoutFields(
    withoutHopByHop(view.headers.raw),
    (name) => neverForwarded.has(name) || (isRead && ownConditions.has(name)),
  );
  headers.push('Accept-Encoding', 'identity');
  const message: Injected = injectCredential(session, view, { headers, body });
  const { limits } = session;
  return {
    target: targetOf(view.url),
    url: view.normalizedUrl,
    method: view.method,
    path: view.url.pathname + view.url.search,
    headers: message.headers,
    ...(message.body.kind === 'whole' && { body: message.body.bytes }),
    ...(message.body.kind === 'stream' && { body: message.body.stream, contentLength: message.body.contentLength }),
    connectTimeoutMs: limits.upstreamConnectTimeoutMs,
    idleTimeoutMs: limits.upstreamIdleTimeoutMs,
    idleBytes: limits.upstreamIdleBytes,
  };
}

/** What a GET of our own (a companion) says to the upstream. */
export function prepareGet(session: ActiveSession, view: RequestView): UpstreamRequest {
  return prepare(session, { view, body: { kind: 'none' } });
}
