import { WaybillError } from '@waybill/contracts';

/** Codes of {@link FetchServiceError}; `docs/errors.md` lists what each means. */
export type FetchServiceErrorCode =
  | 'FETCH_OPTION_INVALID'
  | 'FETCH_CREDENTIALS_MISSING'
  | 'FETCH_CONFIG_MISSING'
  | 'FETCH_CONFIG_INVALID'
  | 'FETCH_CONFIG_UNWRITABLE'
  | 'FETCH_CERTIFICATE_INVALID'
  | 'FETCH_SPOOL_UNWRITABLE'
  | 'FETCH_SPOOL_FULL'
  | 'FETCH_SPOOL_IN_USE'
  | 'FETCH_PORT_IN_USE'
  | 'FETCH_LISTEN_FAILED'
  | 'FETCH_LOG_UNWRITABLE'
  | 'FETCH_SOCKET_IN_USE'
  | 'FETCH_SOCKET_REFUSED'
  | 'FETCH_SOCKET_UNREACHABLE'
  | 'FETCH_REQUEST_INVALID'
  | 'FETCH_SECRET_INVALID'
  | 'FETCH_SECRETS_KEY_INVALID'
  | 'FETCH_POLICY_INVALID'
  | 'FETCH_PROCESS_GONE'
  | 'FETCH_RESTART_RUNNING'
  | 'FETCH_RESTART_IMPOSSIBLE'
  | 'FETCH_SESSION_UNKNOWN'
  | 'FETCH_SESSION_OPEN'
  | 'FETCH_SESSION_LIVE'
  | 'FETCH_TOKEN_WRONG'
  | 'FETCH_SPOOL_WRITE_FAILED'
  | 'FETCH_BACKUP_FAILED'
  | 'FETCH_QUOTA_FULL'
  | 'FETCH_ORIGINS_NOT_FOUND';

/** Everything that the daemon, `fetchctl` and `config init` refuse on purpose. */
export class FetchServiceError extends WaybillError<FetchServiceErrorCode> {}

/** There is no such session, or not any more. */
export function unknownSession(): FetchServiceError {
  return new FetchServiceError('FETCH_SESSION_UNKNOWN', '404 Not Found');
}

/** The `code` of a system error (`EACCES`, `ENOSPC`, …), undefined for anything else. */
export function systemCode(cause: unknown): string | undefined {
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** Text of any thrown value; for messages and logs, redaction is the caller's. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
