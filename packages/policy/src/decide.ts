import {
  type ArtifactInspections,
  type Claim,
  type JsonObject,
  type Result,
  redactUrl,
  stripControl,
} from '@waybill/contracts';

/** The policy engine's answer with what a person needs to act on it. */
export interface Decision {
  readonly result: Result;
  /** What was found and wanted, one line. */
  readonly reason: string;
  /** The inspector whose opinion decided, when one did. */
  readonly inspector?: string | undefined;
  /** The next step. */
  readonly hint?: string | undefined;
  /** Inspectors that said Pending to the request: only their opinions on the artifact decide. */
  readonly claimants?: readonly string[] | undefined;
}

const defaultInspector = 'default';
const longestReason = 1000;

/**
 * Request phase: Approved with no Rejected and at least one Pending; one Rejected outweighs any number of Pending, and Unknown
 * counts as no support.
 *
 * @param normalizedUrl names the request in the reason when nobody recognised it
 * @see specs/fetch-service.md §4.1
 */
export function decideRequest(claims: readonly Claim[], normalizedUrl?: string): Decision {
  const claimants = claims.filter((claim) => claim.inspection.opinion === 'Pending').map((claim) => claim.inspector);
  const rejection = claims.find((claim) => claim.inspection.opinion === 'Rejected');
  if (rejection) {
    return {
      result: 'Rejected',
      reason: said(rejection.inspector, rejection.inspection.reason),
      inspector: rejection.inspector,
      hint: hintOf(rejection.inspector, rejection.inspection.annotations),
      claimants,
    };
  }
  const pending = claims.find((claim) => claim.inspection.opinion === 'Pending');
  if (pending) {
    return {
      result: 'Approved',
      reason: said(pending.inspector, pending.inspection.reason),
      inspector: pending.inspector,
      claimants,
    };
  }
  return { ...unrecognised(claims, normalizedUrl), claimants };
}

/**
 * Artifact phase: Approved when the request was, no inspector that claimed it says Rejected, and at least one says Approved.
 * Opinions of inspectors that did not claim the request (permissive sessions run all) are recorded but do not count: the
 * verdict is the one that a strict session would have given (promise 4).
 *
 * @see specs/fetch-service.md §4.2
 */
export function decideArtifact(request: Decision, inspections: ArtifactInspections): Decision {
  if (request.result !== 'Approved') return request;
  const { claimants } = request;
  const counted = [...inspections.inspections].filter(
    ([id]) => claimants === undefined || claimants.includes(id) || id === defaultInspector,
  );
  const rejection = counted.find(([, inspection]) => inspection.opinion === 'Rejected');
  if (rejection) {
    const [inspector, { reason, annotations }] = rejection;
    const hint = hintOf(inspector, annotations);
    return { result: 'Rejected', reason: said(inspector, reason), inspector, hint, claimants };
  }
  const approval = counted.find(([id, inspection]) => inspection.opinion === 'Approved' && id !== defaultInspector);
  if (approval) {
    const [inspector, { reason }] = approval;
    return { result: 'Approved', reason: said(inspector, reason), inspector, claimants };
  }
  return { ...unapproved(counted, inspections.metadata.sha256), claimants };
}

function unrecognised(claims: readonly Claim[], normalizedUrl: string | undefined): Decision {
  const known = claims.find((claim) => claim.inspector !== defaultInspector);
  if (known) {
    return {
      result: 'Rejected',
      reason: said(known.inspector, known.inspection.reason),
      inspector: known.inspector,
      hint: hintOf(known.inspector, known.inspection.annotations),
    };
  }
  const subject = normalizedUrl === undefined ? 'this request' : redactUrl(normalizedUrl);
  return {
    result: 'Rejected',
    reason: oneLine(`no inspector recognises ${subject}`),
    inspector: defaultInspector,
    hint: 'add its origin to inspectors.yaml, section npm, apt, git or generic',
  };
}

function unapproved(counted: readonly (readonly [string, { readonly reason: string }])[], sha256: string): Decision {
  const undecided = counted.find(([id]) => id !== defaultInspector);
  const pin = sha256 === '' ? '' : `, or pin sha256 ${sha256} under generic.files in inspectors.yaml`;
  return {
    result: 'Rejected',
    reason: undecided
      ? said(undecided[0], `not approved: ${undecided[1].reason}`)
      : 'no inspector approves these bytes: nothing of this session vouches for them',
    inspector: undecided?.[0] ?? defaultInspector,
    hint: `fetch the index that lists this file in the same session first${pin}`,
  };
}

function said(inspector: string, reason: string): string {
  return oneLine(`${inspector}: ${reason}`);
}

/** The inspector knows best what to do next; where it says nothing, its rules are named. */
function hintOf(inspector: string, annotations: JsonObject | undefined): string {
  const hint = annotations?.hint;
  if (typeof hint === 'string' && hint !== '') return oneLine(hint);
  return `the rules are in docs/inspectors/${inspector}.md; when the source is right, correct its entry in inspectors.yaml`;
}

/** Reasons quote what servers sent: bounded, without control characters, on one line. */
function oneLine(text: string): string {
  const line = stripControl(text.slice(0, longestReason + 1)).replace(/\s*[\r\n]+\s*/g, ' ');
  return line.length > longestReason ? `${line.slice(0, longestReason)}…` : line;
}
