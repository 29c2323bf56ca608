import {
  type ArtifactMetadata,
  artifactMetadataVersion,
  type DownloadRecord,
  type ExchangeRequestRecord,
  type ExchangeResponseRecord,
  type RecordedInspections,
  type RefusalRecord,
  type ReportArtifact,
  type ReportDownload,
  type ReportInspection,
  type ReportRefusal,
  type ReportResponse,
  type ReportVouch,
  type ResponseRecord,
  type StoredArtifact,
  toRfc3339,
} from '@waybill/contracts';

/** Keys that the report leaves out when they are empty. specs/fetch-service.md §2.7 */
const optionalMetadata: readonly (keyof ArtifactMetadata)[] = [
  'author-email',
  'architecture',
  'copyright',
  'source-package',
  'store-revision',
  'apt-suite',
  'content-id',
  'requested-channel',
  'effective-channel',
  'not-kept',
  'purl',
];

/** A stored artifact in the report's spelling. */
export function toReportArtifact(artifact: StoredArtifact, vouchedBy: ReportVouch[][]): ReportArtifact {
  return {
    'artifact-metadata-version': artifactMetadataVersion,
    'request-inspection': toInspections(artifact.requestInspection),
    'response-inspection': toInspections(artifact.responseInspection),
    result: artifact.result,
    metadata: withoutEmpty(artifact.metadata),
    'vouched-by': vouchedBy,
    downloads: artifact.downloads.map(toReportDownload),
  };
}

/** A refusal or failure in the report's spelling. */
export function toReportRefusal(record: RefusalRecord): ReportRefusal {
  return {
    time: toRfc3339(record.at),
    phase: record.phase,
    method: record.method,
    url: record.url,
    address: record.address,
    'user-agent': record.userAgent,
    'status-code': record.statusCode,
    reason: record.reason,
    hint: record.hint,
    inspector: record.inspector,
    delivered: record.delivered,
    sha256: record.sha256,
    size: record.size,
    'request-inspection': toInspections(record.requestInspection),
    'response-inspection': toInspections(record.responseInspection),
  };
}

/** An answer without artifact in the report's spelling. */
export function toReportResponse(record: ResponseRecord): ReportResponse {
  return {
    ...exchange(record),
    result: record.result,
    delivery: record.delivery,
    note: record.note,
    sha256: record.sha256,
    size: record.size,
  };
}

function toReportDownload(record: DownloadRecord): ReportDownload {
  return { ...exchange(record), result: record.result, delivery: record.delivery };
}

function exchange(record: ExchangeRequestRecord & ExchangeResponseRecord) {
  return {
    'start-time': toRfc3339(record.startedAt),
    'end-time': toRfc3339(record.endedAt),
    method: record.method,
    url: record.url,
    address: record.address,
    'user-agent': record.userAgent,
    'request-header': toHeaders(record.requestHeader),
    'status-code': record.statusCode,
    status: record.status,
    'content-type': record.contentType,
    'response-header': toHeaders(record.responseHeader),
    'response-trailer': record.responseTrailer && toHeaders(record.responseTrailer),
  };
}

/** The record's own: what becomes text at once is not worth a copy, of which a report would make a million. */
function toHeaders(headers: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  return headers as Record<string, string[]>;
}

function toInspections(inspections: RecordedInspections): Record<string, ReportInspection> {
  const report: Record<string, ReportInspection> = {};
  for (const [id, inspection] of Object.entries(inspections)) {
    const { opinion, reason, annotations } = inspection;
    const isBare = annotations === undefined || Object.keys(annotations).length === 0;
    report[id] = isBare ? { opinion, reason } : (inspection as ReportInspection);
  }
  return report;
}

function withoutEmpty(metadata: ArtifactMetadata): ArtifactMetadata {
  const copy = { ...metadata };
  for (const key of optionalMetadata) if (!copy[key]) delete copy[key];
  return copy;
}
