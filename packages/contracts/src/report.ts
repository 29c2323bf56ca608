import { z } from 'zod';

const json: z.ZodType<unknown> = z.unknown();
const opinion = z.enum(['Approved', 'Rejected', 'Unknown', 'Pending']);
const result = z.enum(['Approved', 'Rejected']);
const headers = z.record(z.string(), z.array(z.string()));

/** One inspector's opinion in the report. specs/fetch-service.md §2.7. */
export const reportInspectionSchema = z.object({
  opinion,
  reason: z.string(),
  annotations: z.record(z.string(), json).optional(),
});
export type ReportInspection = z.infer<typeof reportInspectionSchema>;

/**
 * What is known of an artifact. Keys are the report's wire names. specs §2.7; `sha512` (empty for a large body when nothing asked
 * for it), `purl` and `not-kept` are ours.
 */
export const artifactMetadataSchema = z.object({
  type: z.string(),
  sha1: z.string(),
  sha256: z.string(),
  sha512: z.string(),
  size: z.number().int().nonnegative(),
  name: z.string(),
  version: z.string(),
  vendor: z.string(),
  description: z.string(),
  author: z.string(),
  license: z.string(),
  'author-email': z.string().optional(),
  architecture: z.string().optional(),
  copyright: z.string().optional(),
  'source-package': z.string().optional(),
  'store-revision': z.string().optional(),
  'apt-suite': z.string().optional(),
  'content-id': z.string().optional(),
  'requested-channel': z.string().optional(),
  'effective-channel': z.string().optional(),
  /** Why the bytes are not in the spool: `credential`. Ours. */
  'not-kept': z.string().optional(),
  /** Package URL, when the ecosystem has one. */
  purl: z.string().optional(),
});
export type ArtifactMetadata = z.infer<typeof artifactMetadataSchema>;

/**
 * How a body was let go: after the verdict, or streamed with its tail held because its digest was vouched for beforehand.
 * `reused`: out of the blob store, no upstream was asked; `revalidated`: out of the blob store after the upstream answered 304.
 * `answered`: the service's own answer, by configuration; no upstream was asked.
 */
export const deliverySchema = z.enum([
  'held',
  'streamed',
  'early-headers',
  'withheld',
  'none',
  'companion',
  'reused',
  'revalidated',
  'answered',
]);
export type Delivery = z.infer<typeof deliverySchema>;

/** One transfer. `delivery`, `result` and `request-size` are ours. */
export const reportDownloadSchema = z.object({
  'start-time': z.string(),
  'end-time': z.string(),
  method: z.string(),
  url: z.string(),
  address: z.string(),
  'user-agent': z.string(),
  'request-header': headers,
  'status-code': z.number().int(),
  status: z.string(),
  'content-type': z.string(),
  'response-header': headers,
  'response-trailer': headers.optional(),
  result: result.optional(),
  delivery: deliverySchema.optional(),
});
export type ReportDownload = z.infer<typeof reportDownloadSchema>;

/** A link of a vouching chain, nearest first. */
export const reportVouchSchema = z.object({
  kind: z.enum(['artifact', 'key', 'origin', 'digest']),
  name: z.string(),
  /** sha256 of the vouching artifact, fingerprint of the key, configuration path of the origin, or the pinned digest. */
  id: z.string(),
  inspector: z.string().optional(),
});
export type ReportVouch = z.infer<typeof reportVouchSchema>;

/** An artifact with all its downloads. `vouched-by` (chains, each ending in a trust root when complete) is ours. */
export const reportArtifactSchema = z.object({
  'artifact-metadata-version': z.string(),
  'request-inspection': z.record(z.string(), reportInspectionSchema),
  'response-inspection': z.record(z.string(), reportInspectionSchema),
  result,
  metadata: artifactMetadataSchema,
  'vouched-by': z.array(z.array(reportVouchSchema)),
  downloads: z.array(reportDownloadSchema),
});
export type ReportArtifact = z.infer<typeof reportArtifactSchema>;

/** Where on its way an exchange was stopped. */
export const refusalPhaseSchema = z.enum([
  'protocol',
  'request',
  'destination',
  'artifact',
  'session',
  'upstream',
  'storage',
  'client',
]);
export type RefusalPhase = z.infer<typeof refusalPhaseSchema>;

/** A request or artifact that was not let through (`refusals`), or that failed underway (`failures`). Ours. */
export const reportRefusalSchema = z.object({
  time: z.string(),
  phase: refusalPhaseSchema,
  method: z.string(),
  url: z.string(),
  address: z.string(),
  'user-agent': z.string(),
  /** Status sent to the client; 0 when the transfer was broken off. */
  'status-code': z.number().int(),
  /** For people: what was found and wanted. */
  reason: z.string(),
  /** The next step, when there is one. */
  hint: z.string().optional(),
  /** Inspector that decided, when one did. */
  inspector: z.string().optional(),
  /** True when a permissive session let it pass nevertheless. */
  delivered: z.boolean(),
  sha256: z.string().optional(),
  size: z.number().int().optional(),
  'request-inspection': z.record(z.string(), reportInspectionSchema),
  'response-inspection': z.record(z.string(), reportInspectionSchema),
});
export type ReportRefusal = z.infer<typeof reportRefusalSchema>;

/** An answer without an artifact: redirects, 304, errors, HEAD, companions (files fetched for inspectors) that nobody judged. Ours. */
export const reportResponseSchema = reportDownloadSchema.extend({
  /** Why there is no artifact, e.g. `no body`, `body of status 404 withheld`. */
  note: z.string(),
  sha256: z.string().optional(),
  size: z.number().int().optional(),
});
export type ReportResponse = z.infer<typeof reportResponseSchema>;

/** The session report. Artifacts are sorted by sha256; the other lists by time, then URL. */
export const sessionReportSchema = z.object({
  generator: z.string(),
  comment: z.string().optional(),
  'session-id': z.string(),
  'start-time': z.string(),
  'end-time': z.string(),
  inspectors: z.array(z.string()),
  'spool-path': z.string(),
  policy: z.enum(['strict', 'permissive']),
  /** Ours: how the session ended: `revoked` (its time may run out later), `expired`, `ended` or (local socket) `open`. */
  state: z.string(),
  artifacts: z.array(reportArtifactSchema),
  refusals: z.array(reportRefusalSchema),
  failures: z.array(reportRefusalSchema),
  responses: z.array(reportResponseSchema),
});
export type SessionReport = z.infer<typeof sessionReportSchema>;

/** `artifact-metadata-version` that we write. */
export const artifactMetadataVersion = '0.3';

/** An empty metadata record to fill. */
export function emptyMetadata(): ArtifactMetadata {
  return {
    type: '',
    sha1: '',
    sha256: '',
    sha512: '',
    size: 0,
    name: '',
    version: '',
    vendor: '',
    description: '',
    author: '',
    license: '',
  };
}
