import {
  type DownloadRecord,
  type ExchangeRequestRecord,
  type ExchangeResponseRecord,
  emptyMetadata,
  type ResponseRecord,
  type Result,
  redactHeaders,
  redactUrl,
} from '@waybill/contracts';
import type { CompanionDownload } from '../companion-download.js';
import type { Exchange } from '../exchange.js';
import { claimsRecord, inspectionsRecord, responseRecord } from './records.js';

/**
 * What was fetched for the inspectors, in the report: an artifact with the verdict of those who looked at it, or of the artifact
 * that needed it. Where neither was judged, because the exchange came to nothing before, it is an answer and nothing more.
 */
export function companionRecords(exchange: Exchange): (DownloadRecord | ResponseRecord)[] {
  const shared = exchange.inspections && exchange.result;
  return exchange.companions.map((companion) => {
    const result = companion.verdict?.result ?? shared;
    return result ? judgedRecord(exchange, companion, result) : unjudgedRecord(exchange, companion);
  });
}

function judgedRecord(exchange: Exchange, companion: CompanionDownload, result: Result): DownloadRecord {
  const { view, body, verdict } = companion;
  const name = view.url.pathname.slice(view.url.pathname.lastIndexOf('/') + 1);
  const { sha1, sha256, sha512 = '' } = body.digests;
  const bare = { ...emptyMetadata(), sha1, sha256, sha512, size: body.size, type: 'application/octet-stream' };
  const { metadata, vouchedBy, provides } = verdict?.inspections ?? { metadata: bare, vouchedBy: [], provides: [] };
  return {
    kind: 'download',
    ...transferRecord(exchange, companion),
    metadata: { ...metadata, name: metadata.name || name },
    responseInspection: inspectionsRecord(verdict?.inspections),
    result,
    vouchedBy,
    provides: result === 'Approved' ? provides : [],
  };
}

function unjudgedRecord(exchange: Exchange, companion: CompanionDownload): ResponseRecord {
  const { digests, size } = companion.body;
  return {
    kind: 'response',
    ...transferRecord(exchange, companion),
    note: 'fetched for an exchange that came to nothing before anybody looked at it',
    sha256: digests.sha256,
    size,
  };
}

function transferRecord(
  exchange: Exchange,
  { view, claims, answer, startedAt, endedAt }: CompanionDownload,
): ExchangeRequestRecord & ExchangeResponseRecord & Pick<DownloadRecord, 'sessionId' | 'delivery'> {
  return {
    sessionId: exchange.activeSession.id,
    startedAt,
    method: view.method,
    url: redactUrl(view.normalizedUrl),
    address: exchange.incoming.connection.address,
    userAgent: view.headers.get('user-agent') ?? '',
    requestHeader: redactHeaders(view.headers.raw),
    requestInspection: claimsRecord(claims),
    ...responseRecord(answer, endedAt),
    // What the upstream said: its 304 is not handed on to anybody here.
    ...(answer.stored && { statusCode: 304, status: '304 Not Modified' }),
    delivery: 'companion',
  };
}
