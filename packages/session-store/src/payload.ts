// A record as it is kept: a JSON array, because names of keys would be a quarter of it, and times as milliseconds, because
// a `Date` takes as long as all the rest. The session is the row's; the first element is the version of the form.
import type {
  CatalogRef,
  DownloadRecord,
  ExchangeRequestRecord,
  ExchangeResponseRecord,
  RefusalRecord,
  ResponseRecord,
} from '@waybill/contracts';

const version = 1;

type RequestFields = Omit<ExchangeRequestRecord, 'startedAt'>;
type ResponseFields = Omit<ExchangeResponseRecord, 'endedAt'>;
type Nullable<T> = T | null | undefined;

/** What the migrations write as well. */
type DownloadPayload = readonly [
  version: number,
  startedAt: number,
  endedAt: number,
  method: RequestFields['method'],
  url: RequestFields['url'],
  address: RequestFields['address'],
  userAgent: RequestFields['userAgent'],
  requestHeader: RequestFields['requestHeader'],
  requestInspection: RequestFields['requestInspection'],
  statusCode: ResponseFields['statusCode'],
  status: ResponseFields['status'],
  contentType: ResponseFields['contentType'],
  responseHeader: ResponseFields['responseHeader'],
  responseTrailer: Nullable<ResponseFields['responseTrailer']>,
  delivery: DownloadRecord['delivery'],
  metadata: DownloadRecord['metadata'],
  responseInspection: DownloadRecord['responseInspection'],
  result: DownloadRecord['result'],
  vouchedBy: DownloadRecord['vouchedBy'],
  provides: DownloadRecord['provides'],
  refusal: RefusalPayload | null,
];

type ResponsePayload = readonly [
  version: number,
  startedAt: number,
  endedAt: number,
  method: RequestFields['method'],
  url: RequestFields['url'],
  address: RequestFields['address'],
  userAgent: RequestFields['userAgent'],
  requestHeader: RequestFields['requestHeader'],
  requestInspection: RequestFields['requestInspection'],
  statusCode: ResponseFields['statusCode'],
  status: ResponseFields['status'],
  contentType: ResponseFields['contentType'],
  responseHeader: ResponseFields['responseHeader'],
  responseTrailer: Nullable<ResponseFields['responseTrailer']>,
  delivery: ResponseRecord['delivery'],
  note: ResponseRecord['note'],
  result: Nullable<ResponseRecord['result']>,
  sha256: Nullable<string>,
  size: Nullable<number>,
];

type RefusalPayload = readonly [
  version: number,
  kind: RefusalRecord['kind'],
  startedAt: number,
  method: RequestFields['method'],
  url: RequestFields['url'],
  address: RequestFields['address'],
  userAgent: RequestFields['userAgent'],
  requestHeader: RequestFields['requestHeader'],
  requestInspection: RequestFields['requestInspection'],
  phase: RefusalRecord['phase'],
  at: number,
  statusCode: RefusalRecord['statusCode'],
  reason: RefusalRecord['reason'],
  hint: Nullable<string>,
  inspector: Nullable<string>,
  delivered: boolean,
  sha256: Nullable<string>,
  size: Nullable<number>,
  responseInspection: RefusalRecord['responseInspection'],
];

export function downloadPayload(record: DownloadRecord): DownloadPayload {
  return [
    version,
    record.startedAt.getTime(),
    record.endedAt.getTime(),
    record.method,
    record.url,
    record.address,
    record.userAgent,
    record.requestHeader,
    record.requestInspection,
    record.statusCode,
    record.status,
    record.contentType,
    record.responseHeader,
    record.responseTrailer,
    record.delivery,
    record.metadata,
    record.responseInspection,
    record.result,
    record.vouchedBy,
    record.provides,
    record.refusal ? refusalPayload(record.refusal) : null,
  ];
}

export function responsePayload(record: ResponseRecord): ResponsePayload {
  return [
    version,
    record.startedAt.getTime(),
    record.endedAt.getTime(),
    record.method,
    record.url,
    record.address,
    record.userAgent,
    record.requestHeader,
    record.requestInspection,
    record.statusCode,
    record.status,
    record.contentType,
    record.responseHeader,
    record.responseTrailer,
    record.delivery,
    record.note,
    record.result,
    record.sha256,
    record.size,
  ];
}

export function refusalPayload(record: RefusalRecord): RefusalPayload {
  return [
    version,
    record.kind,
    record.startedAt.getTime(),
    record.method,
    record.url,
    record.address,
    record.userAgent,
    record.requestHeader,
    record.requestInspection,
    record.phase,
    record.at.getTime(),
    record.statusCode,
    record.reason,
    record.hint,
    record.inspector,
    record.delivered,
    record.sha256,
    record.size,
    record.responseInspection,
  ];
}

export function toDownload(sessionId: string, payload: string): DownloadRecord {
  const [, startedAt, endedAt, method, url, address, userAgent, requestHeader, requestInspection, ...rest] =
    parse<DownloadPayload>(payload);
  const [statusCode, status, contentType, responseHeader, responseTrailer, delivery, ...judgement] = rest;
  const [metadata, responseInspection, result, vouchedBy, provides, refusal] = judgement;
  return {
    kind: 'download',
    sessionId,
    startedAt: new Date(startedAt),
    method,
    url,
    address,
    userAgent,
    requestHeader,
    requestInspection,
    endedAt: new Date(endedAt),
    statusCode,
    status,
    contentType,
    responseHeader,
    ...(responseTrailer && { responseTrailer }),
    delivery,
    metadata,
    responseInspection,
    result,
    vouchedBy,
    provides,
    ...(refusal && { refusal: refusalOf(sessionId, refusal) }),
  };
}

export function toResponse(sessionId: string, payload: string): ResponseRecord {
  const [, startedAt, endedAt, method, url, address, userAgent, requestHeader, requestInspection, ...rest] =
    parse<ResponsePayload>(payload);
  const [statusCode, status, contentType, responseHeader, responseTrailer, delivery, note, result, sha256, size] = rest;
  return {
    kind: 'response',
    sessionId,
    startedAt: new Date(startedAt),
    method,
    url,
    address,
    userAgent,
    requestHeader,
    requestInspection,
    endedAt: new Date(endedAt),
    statusCode,
    status,
    contentType,
    responseHeader,
    ...(responseTrailer && { responseTrailer }),
    delivery,
    note,
    ...(result && { result }),
    ...(typeof sha256 === 'string' && { sha256 }),
    ...(typeof size === 'number' && { size }),
  };
}

export function toRefusal(sessionId: string, payload: string): RefusalRecord {
  return refusalOf(sessionId, parse<RefusalPayload>(payload));
}

function refusalOf(sessionId: string, payload: RefusalPayload): RefusalRecord {
  const [, kind, startedAt, method, url, address, userAgent, requestHeader, requestInspection, ...rest] = payload;
  const [phase, at, statusCode, reason, hint, inspector, delivered, sha256, size, responseInspection] = rest;
  return {
    kind,
    sessionId,
    startedAt: new Date(startedAt),
    method,
    url,
    address,
    userAgent,
    requestHeader,
    requestInspection,
    phase,
    at: new Date(at),
    statusCode,
    reason,
    ...(typeof hint === 'string' && { hint }),
    ...(typeof inspector === 'string' && { inspector }),
    delivered,
    ...(typeof sha256 === 'string' && { sha256 }),
    ...(typeof size === 'number' && { size }),
    responseInspection,
  };
}

export function catalogPayload(catalog: CatalogRef): string {
  const { scope, kind, sha256, inspector, url, name, attributes } = catalog;
  return JSON.stringify({ scope, kind, sha256, inspector, url, name, attributes });
}

export function toCatalogRef(payload: string): CatalogRef {
  const { attributes, ...catalog } = JSON.parse(payload) as CatalogRef & {
    attributes?: CatalogRef['attributes'] | null;
  };
  return attributes ? { ...catalog, attributes } : catalog;
}

function parse<Payload extends readonly [number, ...unknown[]]>(text: string): Payload {
  const payload = JSON.parse(text) as Payload;
  if (payload[0] !== version) throw new Error(`a record has the form ${payload[0]}, not ${version}`);
  return payload;
}
