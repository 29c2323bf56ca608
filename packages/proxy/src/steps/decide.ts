import type { ArtifactInspections } from '@waybill/contracts';
import { type Decision, decideArtifact } from '@waybill/policy';
import type { UpstreamAnswer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import type { SpooledBody } from '../spooled-body.js';
import { headlines, type StopFacts } from '../stop.js';
import type { BodyFlow } from './body-flow.js';
import { type Spooled, unaskedPart } from './spool.js';

/** What is recorded and released. */
export type Outcome =
  | { readonly kind: 'none'; readonly note: string; readonly refusal: StopFacts | undefined }
  | { readonly kind: 'withheld'; readonly note: string; readonly refusal: StopFacts | undefined }
  | {
      readonly kind: 'answer';
      readonly note: string;
      readonly body: SpooledBody;
      readonly flow: BodyFlow;
      readonly refusal: StopFacts | undefined;
    }
  | {
      readonly kind: 'artifact';
      readonly decision: Decision;
      readonly body: SpooledBody;
      readonly flow: BodyFlow;
      /** Why strict refuses it; a permissive session delivers it all the same. */
      readonly refusal: StopFacts | undefined;
    };

/** What the exchange has come to. Pure but for the look at what was vouched for. */
export function decide(
  exchange: Exchange,
  {
    answer,
    spooled,
    inspections,
  }: {
    readonly answer: UpstreamAnswer;
    readonly spooled: Spooled;
    readonly inspections: ArtifactInspections | undefined;
  },
): Outcome {
  const { admission } = exchange;
  if (!admission) throw new Error('the request is decided before it is sent');
  const refusal = admission.result === 'Rejected' ? refusalFacts(admission, 'request') : undefined;
  if (spooled.kind !== 'body') return { ...spooled, refusal };
  const { body, flow } = spooled;
  if (!inspections) return { kind: 'answer', note: `body of status ${answer.status}`, body, flow, refusal };
  const decision = overruled(answer, flow.mismatch(body.digests)) ?? decideArtifact(admission, inspections);
  const phase = admission.result === 'Rejected' ? 'request' : 'artifact';
  return {
    kind: 'artifact',
    decision,
    body,
    flow,
    refusal: decision.result === 'Rejected' ? refusalFacts(decision, phase) : undefined,
  };
}

/** What no inspector can approve: a part taken for the whole, and other bytes than those that were vouched for. */
function overruled({ status }: UpstreamAnswer, mismatch: string | undefined): Decision | undefined {
  if (mismatch !== undefined) return { result: 'Rejected', reason: mismatch };
  if (status !== 206) return undefined;
  return { result: 'Rejected', ...unaskedPart };
}

function refusalFacts(decision: Decision, phase: 'request' | 'artifact'): StopFacts {
  return {
    kind: 'refusal',
    phase,
    status: 403,
    headline: phase === 'request' ? headlines.request : headlines.artifact,
    reason: decision.reason,
    hint: decision.hint,
    inspector: decision.inspector,
  };
}
