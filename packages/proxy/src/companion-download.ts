import type { ArtifactMetadata, Claim, RequestView } from '@waybill/contracts';
import type { UpstreamAnswer } from './answer.js';

/** A download of our own, made for an inspector. Shares the verdict of the artifact that needed it. */
export interface CompanionDownload {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly view: RequestView;
  readonly claims: readonly Claim[];
  readonly answer: UpstreamAnswer;
  readonly metadata: ArtifactMetadata;
}
