import {
  type ArtifactInspections,
  type Claim,
  type DownloadRecord,
  type ExchangeRequestRecord,
  type ExchangeResponseRecord,
  type RecordedInspections,
  type RefusalRecord,
  type ResponseRecord,
  type Result,
  redactHeaders,
  redactText,
  stripControl,
} from '@waybill/contracts';
import type { Decision } from '@waybill/policy';
import type { UpstreamAnswer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { withoutFields } from '../http/headers.js';
import type { StopFacts } from '../stop.js';
import { cleaned, oneLine } from './clean-text.js';

/** What every record says about the request. Headers and URL are the client's own, before injection, redacted. */
export function requestRecord(exchange: Exchange): ExchangeRequestRecord {
  const { request } = exchange.incoming;
  const raw = exchange.request?.headers.raw ?? withoutFields(request.rawHeaders, (name) => name.startsWith('proxy-'));
  return {
    startedAt: exchange.startedAt,
    method: request.method ?? '',
    url: exchange.redactedUrl(() => requestedText(exchange)),
    address: exchange.incoming.connection.address,
    userAgent: redactText(request.headers['user-agent'] ?? ''),
    requestHeader: redactHeaders(raw),
    requestInspection: claimsRecord(exchange.claims),
  };
}

/** What every record says about an answer of the upstream. */
export function responseRecord(answer: UpstreamAnswer, endedAt: Date): ExchangeResponseRecord {
  const trailers = answer.transfer.rawTrailers;
  return {
    endedAt,
    statusCode: answer.status,
    status: stripControl(`${answer.status} ${answer.statusText}`.trim()),
    contentType: stripControl(answer.headers.get('content-type') ?? ''),
    // Nobody but us said anything about what was reused, or what we answered.
    responseHeader: answer.stored?.how === 'reused' || answer.isOwn ? {} : redactHeaders(answer.headers.raw),
    ...(trailers.length > 0 && { responseTrailer: redactHeaders(trailers) }),
  };
}

/** A transfer of an artifact and, when strict refuses it, why. */
export function downloadRecord(
  exchange: Exchange,
  {
    answer,
    decision,
    endedAt,
    refusal,
  }: {
    readonly answer: UpstreamAnswer;
    readonly decision: Decision;
    readonly endedAt: Date;
    readonly refusal?: RefusalRecord | undefined;
  },
): DownloadRecord {
  const { inspections, delivery } = exchange;
  if (!inspections) throw new Error('an artifact is recorded after its inspection');
  return {
    kind: 'download',
    sessionId: exchange.activeSession.id,
    ...requestRecord(exchange),
    ...responseRecord(answer, endedAt),
    metadata: { ...cleaned(inspections.metadata), ...(exchange.isSecret && { 'not-kept': 'credential' }) },
    responseInspection: inspectionsRecord(exchange.inspections),
    result: decision.result,
    delivery,
    vouchedBy: cleaned(inspections.vouchedBy),
    provides: decision.result === 'Approved' ? inspections.provides : [],
    refusal,
  };
}

/** An answer that is no artifact. */
export function answerRecord(
  exchange: Exchange,
  {
    answer,
    note,
    result,
    endedAt,
  }: {
    readonly answer: UpstreamAnswer;
    readonly note: string;
    readonly result: Result | undefined;
    readonly endedAt: Date;
  },
): ResponseRecord {
  return {
    kind: 'response',
    sessionId: exchange.activeSession.id,
    ...requestRecord(exchange),
    ...responseRecord(answer, endedAt),
    note,
    result,
    delivery: exchange.delivery,
    ...exchange.body,
  };
}

/** Something that was not let through, failed, or (delivered) would not have been let through by strict. */
export function refusalRecord(
  exchange: Exchange,
  {
    facts,
    at,
    status,
    delivered,
  }: {
    readonly facts: Pick<StopFacts, 'kind' | 'phase' | 'reason' | 'hint' | 'inspector'>;
    readonly at: Date;
    readonly status: number;
    readonly delivered: boolean;
  },
): RefusalRecord {
  return {
    kind: facts.kind,
    sessionId: exchange.activeSession.id,
    ...requestRecord(exchange),
    phase: facts.phase,
    at,
    statusCode: status,
    reason: oneLine(facts.reason),
    hint: facts.hint === undefined ? undefined : oneLine(facts.hint),
    inspector: facts.inspector,
    delivered,
    ...exchange.body,
    responseInspection: inspectionsRecord(exchange.inspections),
  };
}

/** What inspectors said of a request. */
export function claimsRecord(claims: readonly Claim[]): RecordedInspections {
  const records: Record<string, RecordedInspections[string]> = {};
  for (const { inspector, inspection } of claims) {
    records[inspector] = inspectionRecord(inspection);
  }
  return records;
}

function inspectionRecord({ opinion, reason, annotations }: RecordedInspections[string]): RecordedInspections[string] {
  const said = { opinion, reason: oneLine(reason) };
  return annotations ? { ...said, annotations: cleaned(annotations) } : said;
}

/** What inspectors said of a body. */
export function inspectionsRecord(inspections: ArtifactInspections | undefined): RecordedInspections {
  const records: Record<string, RecordedInspections[string]> = {};
  for (const [id, inspection] of inspections?.inspections ?? []) records[id] = inspectionRecord(inspection);
  return records;
}

/** A request that could not be described: as close to a URL as it gets. */
function requestedText({ incoming }: Exchange): string {
  const text = incoming.request.url ?? '';
  const { tunnel } = incoming.connection;
  if (!tunnel || !text.startsWith('/')) return text;
  const { host, port } = tunnel.authority;
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}${text}`;
}
