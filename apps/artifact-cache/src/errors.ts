import { WaybillError } from '@waybill/contracts';

/** Codes of {@link AccessError}. */
export type AccessErrorCode = 'UNAUTHENTICATED' | 'FORBIDDEN';

/** Nobody we know, or somebody who may not. The edges make 401 and 403 of it, UNAUTHENTICATED and PERMISSION_DENIED. */
export class AccessError extends WaybillError<AccessErrorCode> {}

/** Text of any thrown value; for messages and logs, redaction is the caller's. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
