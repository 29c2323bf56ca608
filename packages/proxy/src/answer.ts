import type { HeaderView } from '@waybill/contracts';
import { contentCodingOf } from './http/content-coding.js';
import { headerView } from './http/headers.js';
import { withoutHopByHop } from './http/hop-by-hop.js';
import { mediaTypeOf } from './http/media-type.js';
import type { SpooledBody } from './spooled-body.js';
import type { Transfer, UpstreamHead } from './upstream/transfer.js';

/** What the upstream answered, its body still on the way. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly statusText: string;
  /** As received. */
  readonly headers: HeaderView;
  /** Without hop-by-hop fields: what the client gets. */
  readonly endToEnd: readonly string[];
  readonly contentLength: number | undefined;
  readonly contentEncoding: string | undefined;
  /** Declared, without parameters. */
  readonly mediaType: string;
  readonly transfer: Transfer;
  /** Status and method allow a body, and none of zero length is announced. */
  readonly mayHaveBody: boolean;
  /** The body lies in the blob store already, read and verified: nobody was asked, or the upstream called it current. */
  readonly stored?: { readonly body: SpooledBody; readonly how: 'reused' | 'revalidated' } | undefined;
  /** The service answers by itself: nobody was asked. */
  readonly isOwn?: boolean | undefined;
}

/** Looks at an upstream's head once. */
export function describeAnswer(head: UpstreamHead, transfer: Transfer, method: string): UpstreamAnswer {
  const headers = headerView(head.rawHeaders);
  const contentLength = lengthOf(headers.get('content-length'));
  return {
    status: head.status,
    statusText: head.statusText,
    headers,
    endToEnd: withoutHopByHop(head.rawHeaders),
    contentLength,
    contentEncoding: contentCodingOf(headers.get('content-encoding')),
    mediaType: mediaTypeOf(headers.get('content-type')),
    transfer,
    mayHaveBody: contentLength !== 0 && method !== 'HEAD' && ![204, 205, 304].includes(head.status),
  };
}

function lengthOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}$/.test(text.trim())) return undefined;
  return Number(text);
}
