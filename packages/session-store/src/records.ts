import type {
  CatalogRef,
  Delivery,
  DownloadRecord,
  RefusalPhase,
  RefusalRecord,
  ResponseRecord,
  Result,
  SessionPolicy,
  SessionRecord,
  SessionState,
  VouchLink,
} from '@waybill/contracts';
import type { TableName, Tables } from './driver.js';

/** A row as read. */
export type Selected<Name extends TableName> = Tables[Name]['$inferSelect'];

export function toSession(row: Selected<'sessions'>): SessionRecord {
  const { endedAt, policy, state, ...rest } = row;
  return { ...rest, policy: policy as SessionPolicy, state: state as SessionState, ...(endedAt && { endedAt }) };
}

export function toCatalogRef(row: Selected<'sessionCatalogs'>): CatalogRef {
  const { scope, kind, sha256, inspector, url, name, attributes } = row;
  return { scope, kind, sha256, inspector, url, name, ...(attributes && { attributes }) };
}

export function toVouch(row: Selected<'vouches'>): VouchLink {
  const { kind, voucher, inspector, name } = row;
  if (kind === 'artifact') return { kind, sha256: voucher, inspector: inspector ?? '', name };
  return { kind: kind as 'key' | 'origin' | 'digest', id: voucher, name };
}

function requestFields(row: Selected<'downloads'> | Selected<'responses'> | Selected<'refusals'>) {
  const { sessionId, startedAt, method, url, address, userAgent, requestHeader } = row;
  return { sessionId, startedAt, method, url, address, userAgent, requestHeader };
}

function responseFields(row: Selected<'downloads'> | Selected<'responses'>) {
  const { endedAt, statusCode, status, contentType, responseHeader, responseTrailer, delivery } = row;
  return {
    endedAt,
    statusCode,
    status,
    contentType,
    responseHeader,
    ...(responseTrailer && { responseTrailer }),
    delivery: delivery as Delivery,
  };
}

/** What a download row refers to. */
export interface DownloadParts {
  readonly judgement: Selected<'judgements'>;
  readonly vouchedBy: readonly VouchLink[];
  readonly refusal: RefusalRecord | undefined;
}

export function toDownload(row: Selected<'downloads'>, parts: DownloadParts): DownloadRecord {
  const { metadata, requestInspection, responseInspection, result, provides } = parts.judgement;
  return {
    kind: 'download',
    ...requestFields(row),
    requestInspection,
    ...responseFields(row),
    metadata,
    responseInspection,
    result: result as Result,
    vouchedBy: parts.vouchedBy,
    provides,
    ...(parts.refusal && { refusal: parts.refusal }),
  };
}

export function toResponse(row: Selected<'responses'>): ResponseRecord {
  const { requestInspection, note, result, sha256, size } = row;
  return {
    kind: 'response',
    ...requestFields(row),
    requestInspection,
    ...responseFields(row),
    note,
    ...(result !== null && { result: result as Result }),
    ...(sha256 !== null && { sha256 }),
    ...(size !== null && { size }),
  };
}

export function toRefusal(row: Selected<'refusals'>): RefusalRecord {
  const { at, statusCode, reason, hint, inspector, delivered, sha256, size } = row;
  return {
    kind: row.kind as RefusalRecord['kind'],
    ...requestFields(row),
    requestInspection: row.requestInspection,
    phase: row.phase as RefusalPhase,
    at,
    statusCode,
    reason,
    ...(hint !== null && { hint }),
    ...(inspector !== null && { inspector }),
    delivered,
    ...(sha256 !== null && { sha256 }),
    ...(size !== null && { size }),
    responseInspection: row.responseInspection,
  };
}
