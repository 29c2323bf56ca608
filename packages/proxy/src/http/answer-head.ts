import type { ByteRange } from '@waybill/contracts';
import type { UpstreamAnswer } from '../answer.js';
import type { AnswerHead } from '../client-answer.js';
import { withoutFields } from './headers.js';

/** Fields that describe a body which is not sent. */
const representation = new Set([
  'accept-ranges',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'digest',
  'etag',
  'last-modified',
  'repr-digest',
  'trailer',
]);

/** The upstream's own fields that a 304 keeps. RFC 9110 §15.4.5. */
const keptBy304 = new Set(['etag', 'last-modified', 'content-location']);

/**
 * The upstream's head with the framing of our connection: a length whenever it is known, so that a transfer that is broken off
 * can never look complete; chunks otherwise, and when trailers follow.
 */
export function wholeHead(
  answer: UpstreamAnswer,
  { size, hasTrailers = false }: { readonly size?: number | undefined; readonly hasTrailers?: boolean } = {},
): AnswerHead {
  const length = hasTrailers ? undefined : (size ?? answer.contentLength);
  const isForbidden = answer.status === 204 || answer.status < 200;
  const headers = withoutFields(answer.endToEnd, (name) => {
    if (name === 'content-length') return isForbidden || hasTrailers || answer.contentLength !== length;
    return name === 'trailer' && length !== undefined;
  });
  const isMissing = length !== undefined && answer.contentLength !== length && !isForbidden;
  if (isMissing) headers.push('Content-Length', String(length));
  return { status: answer.status, statusText: answer.statusText, headers };
}

/** The head of an answer that has no body whatever its fields say: HEAD, 204, 304. Lengths stay as information. */
export function bodilessHead(answer: UpstreamAnswer): AnswerHead {
  const isForbidden = answer.status === 204;
  const headers = withoutFields(
    answer.endToEnd,
    (name) => name === 'trailer' || (isForbidden && name === 'content-length'),
  );
  return { status: answer.status, statusText: answer.statusText, headers };
}

/** 206 out of the whole. */
export function partHead(answer: UpstreamAnswer, { start, end }: ByteRange, size: number): AnswerHead {
  const headers = withoutFields(answer.endToEnd, (name) =>
    ['content-length', 'content-range', 'trailer'].includes(name),
  );
  headers.push('Content-Range', `bytes ${start}-${end}/${size}`, 'Content-Length', String(end - start + 1));
  return { status: 206, statusText: 'Partial Content', headers };
}

/** 416. */
export function unsatisfiableHead(answer: UpstreamAnswer, size: number): AnswerHead {
  const headers = withoutFields(answer.endToEnd, (name) => representation.has(name));
  headers.push('Content-Range', `bytes */${size}`, 'Content-Length', '0');
  return { status: 416, statusText: 'Range Not Satisfiable', headers };
}

/** 304. */
export function notModifiedHead(answer: UpstreamAnswer): AnswerHead {
  const headers = withoutFields(answer.endToEnd, (name) => representation.has(name) && !keptBy304.has(name));
  return { status: 304, statusText: 'Not Modified', headers };
}

/** The upstream's status and its other fields around a text of ours. */
export function replacedHead(answer: UpstreamAnswer, body: string): AnswerHead {
  const headers = withoutFields(answer.endToEnd, (name) => representation.has(name));
  headers.push('Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(Buffer.byteLength(body)));
  return { status: answer.status, statusText: answer.statusText, headers };
}
