import { type Claim, type RequestInspection, type RequestView, redactText } from '@waybill/contracts';
import { defaultInspectorId } from './default.js';
import type { Inspector } from './inspector.js';

/** All claims in registration order. `default` speaks only when nobody said Pending or Rejected. specs §4.1. */
export function inspectRequest(inspectors: readonly Inspector[], request: RequestView): Claim[] {
  const claims: Claim[] = [];
  for (const inspector of inspectors) {
    if (inspector.id === defaultInspectorId && claims.some(isSupport)) continue;
    const inspection = ask(inspector, request);
    if (inspection) claims.push({ inspector: inspector.id, inspection });
  }
  return claims;
}

/** Ids of the inspectors that claimed the request. */
export function claimantsOf(claims: readonly Claim[]): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { inspector, inspection } of claims) if (inspection.opinion === 'Pending') ids.add(inspector);
  return ids;
}

/** What a throw, a time-out or an abort is recorded as (promise 5). Says nothing that a secret could be in. */
export function failure(error: unknown): { opinion: 'Rejected'; reason: string; annotations: Record<string, string> } {
  const message = redactText(error instanceof Error ? error.message : String(error)).slice(0, 2000);
  const code = (error as { code?: unknown } | undefined)?.code;
  return {
    opinion: 'Rejected',
    reason: `the inspection failed: ${message}`,
    annotations: { 'error-message': message, ...(typeof code === 'string' && { 'error-code': code }) },
  };
}

function ask(inspector: Inspector, request: RequestView): RequestInspection | undefined {
  try {
    return inspector.inspectRequest(request);
  } catch (error) {
    return failure(error);
  }
}

function isSupport({ inspection }: Claim): boolean {
  return inspection.opinion === 'Pending' || inspection.opinion === 'Rejected';
}
