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
  let approval: readonly [string, { readonly reason: string }] | undefined;
  let undecided: typeof approval;
  for (const entry of inspections.inspections) {
    const [id, { opinion, reason, annotations }] = entry;
    if (claimants !== undefined && !claimants.includes(id) && id !== defaultInspector) continue;
    if (opinion === 'Rejected') {
      return { result: 'Rejected', reason: said(id, reason), inspector: id, hint: hintOf(id, annotations), claimants };
    }
    if (id === defaultInspector) continue;
    undecided ??= entry;
    if (opinion === 'Approved') approval ??= entry;
  }
  if (approval) {
    const [inspector, { reason }] = approval;
    return { result: 'Approved', reason: said(inspector, reason), inspector, claimants };
  }
  return { ...unapproved(undecided, inspections.metadata.sha256), claimants };
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
    hint: configuredHint(claims),
  };
}

/** The last inspector knows which sections the session has. */
function configuredHint(claims: readonly Claim[]): string {
  const hint = claims.find(({ inspector }) => inspector === defaultInspector)?.inspection.annotations?.hint;
  return typeof hint === 'string' && hint !== ''
    ? oneLine(hint)
    : 'add its origin to the section of its ecosystem in inspectors.yaml';
}

function unapproved(undecided: readonly [string, { readonly reason: string }] | undefined, sha256: string): Decision {
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
  const plain = stripControl(text.slice(0, longestReason + 1));
  const line = plain.includes('\n') ? plain.replace(/\s*[\r\n]+\s*/g, ' ') : plain;
  return line.length > longestReason ? `${line.slice(0, longestReason)}…` : line;
}
