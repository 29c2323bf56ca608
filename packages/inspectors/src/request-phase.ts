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

/** Whether the inspector claimed the request. */
export function isPending(claims: readonly Claim[]): (inspector: Inspector) => boolean {
  const pending = new Set(claims.filter((claim) => claim.inspection.opinion === 'Pending').map((c) => c.inspector));
  return ({ id }) => pending.has(id);
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
