import { WaybillError } from '@waybill/contracts';

/** Codes of {@link AccessError}. */
export type AccessErrorCode = 'UNAUTHENTICATED' | 'FORBIDDEN';

/** Nobody we know, or somebody who may not. The edges make 401 and 403 of it, UNAUTHENTICATED and PERMISSION_DENIED. */
export class AccessError extends WaybillError<AccessErrorCode> {}

/** Codes of {@link ArtifactCacheError}; `docs/errors.md` lists what each means. */
export type ArtifactCacheErrorCode =
  | 'SERVER_USAGE'
  | 'SERVER_CONFIG_MISSING'
  | 'SERVER_CONFIG_INVALID'
  | 'SERVER_DIRECTORY_IN_USE'
  | 'SERVER_TLS_INVALID'
  | 'SERVER_LISTEN_FAILED'
  | 'SERVER_KEY_INVALID'
  | 'SERVER_PRINCIPAL_UNKNOWN'
  | 'SERVER_DAMAGE_FOUND'
  | 'SERVER_REQUEST_INVALID'
  | 'SERVER_REQUEST_TIMEOUT'
  | 'SERVER_NOT_FOUND'
  | 'SERVER_UPLOAD_UNKNOWN'
  | 'SERVER_UPLOAD_OFFSET';

/** Everything else that the server and its commands refuse on purpose. */
export class ArtifactCacheError extends WaybillError<ArtifactCacheErrorCode> {}

/** The `code` of a system error (`EACCES`, `ENOSPC`, …), undefined for anything else. */
export function systemCode(cause: unknown): string | undefined {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** Text of any thrown value; for messages and logs, redaction is the caller's. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
