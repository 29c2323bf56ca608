import type { ArtifactInspections, Claim, RequestView, Result } from '@waybill/contracts';
import type { UpstreamAnswer } from './answer.js';
import type { SpooledBody } from './spooled-body.js';
import type { UpstreamRequest } from './upstream/upstreams.js';

/** A download of our own, made for an inspector. */
export interface CompanionDownload {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly view: RequestView;
  readonly claims: readonly Claim[];
  readonly outgoing: UpstreamRequest;
  readonly answer: UpstreamAnswer;
  readonly body: SpooledBody;
  /** Filled in once the artifact that needed it is inspected; undefined: nobody has looked at it. */
  verdict: CompanionVerdict | undefined;
}

/** What the inspectors say of a companion as of any other download. */
export interface CompanionVerdict {
  readonly inspections: ArtifactInspections;
  /** undefined: no inspector claims it, it shares the verdict of the artifact that needed it. */
  readonly result: Result | undefined;
}
