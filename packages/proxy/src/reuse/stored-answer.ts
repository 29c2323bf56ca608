import type { UpstreamAnswer } from '../answer.js';
import { contentCodingOf } from '../http/content-coding.js';
import { headerView, type RawHeaders, withoutFields } from '../http/headers.js';
import { withoutHopByHop } from '../http/hop-by-hop.js';
import { mediaTypeOf } from '../http/media-type.js';
import type { SpooledBody } from '../spooled-body.js';
import { endedTransfer } from '../upstream/transfer.js';

/** Fields that describe a body, and nothing about the connection, the moment or the client that it was sent to. */
const describing = new Set([
  'accept-ranges',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'etag',
  'last-modified',
  'repr-digest',
  'vary',
]);
const longestHeaders = 2_048;

/** Fields of a 304 that speak of its own message. RFC 9110 §15.4.5, RFC 9111 §3.2 */
const ofTheMessage = new Set(['content-length', 'content-encoding', 'content-range', 'content-type', 'trailer']);

/** What is remembered of an answer's head; undefined when it is too much. */
export function describingFields(raw: RawHeaders): string[] | undefined {
  const kept = withoutFields(raw, (name) => !describing.has(name));
  return kept.join('').length <= longestHeaders ? kept : undefined;
}

/** A 200 out of the blob store that no upstream was asked for. @param headers what is remembered of its head, if anything is */
export function reusedAnswer(body: SpooledBody, headers: RawHeaders | undefined, method: string): UpstreamAnswer {
  const known = headers ?? ['Content-Type', 'application/octet-stream'];
  return stored({ body, how: 'reused' }, [...known, 'Content-Length', String(body.size)], { method });
}

/** The same of an answer that is current by the origin's own word. RFC 9111 §5.1 wants its age told. */
export function freshAnswer(body: SpooledBody, headers: RawHeaders, ageMs: number): UpstreamAnswer {
  return reusedAnswer(body, [...headers, 'Age', String(Math.max(0, Math.floor(ageMs / 1000)))], 'GET');
}

/** A 200 out of the blob store that the upstream called current: remembered fields, and those of its 304 where it has newer ones. */
export function revalidatedAnswer(body: SpooledBody, headers: RawHeaders, current: UpstreamAnswer): UpstreamAnswer {
  const updates = withoutFields(withoutHopByHop(current.headers.raw), (name) => ofTheMessage.has(name));
  const updated = new Set(updates.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()));
  const rest = withoutFields(headers, (name) => updated.has(name));
  const all = [...updates, ...rest, 'Content-Length', String(body.size)];
  return stored({ body, how: 'revalidated' }, all, { method: 'GET', current });
}

function stored(
  { body, how }: NonNullable<UpstreamAnswer['stored']>,
  raw: readonly string[],
  { method, current }: { readonly method: string; readonly current?: UpstreamAnswer },
): UpstreamAnswer {
  const headers = headerView(raw);
  return {
    status: 200,
    statusText: 'OK',
    headers,
    endToEnd: raw,
    contentLength: body.size,
    contentEncoding: contentCodingOf(headers.get('content-encoding')),
    mediaType: mediaTypeOf(headers.get('content-type')),
    transfer: current?.transfer ?? endedTransfer(),
    mayHaveBody: method !== 'HEAD',
    stored: { body, how },
  };
}
