import { WaybillError } from '@waybill/contracts';
import type { DatabaseError } from '@waybill/database';

/** Codes of {@link SessionStoreError}. */
export type SessionStoreErrorCode =
  | 'STORE_UNAVAILABLE'
  | 'STORE_FULL'
  | 'STORE_SCHEMA_TOO_NEW'
  | 'STORE_MIGRATION_FAILED'
  | 'STORE_SESSION_EXISTS'
  | 'STORE_SESSION_UNKNOWN'
  | 'STORE_SESSION_OVER'
  | 'STORE_CLOSED'
  | 'STORE_FAILED';

/** Anything a session store cannot do. */
export class SessionStoreError extends WaybillError<SessionStoreErrorCode> {}

export function closedError(): SessionStoreError {
  return new SessionStoreError('STORE_CLOSED', 'the session store is closed');
}

export function unknownSessionError(cause?: unknown): SessionStoreError {
  return new SessionStoreError('STORE_SESSION_UNKNOWN', 'a record names a session that does not exist (any more)', {
    hint: 'its resources may have been deleted while an exchange was still running',
    cause,
  });
}

export function sessionOverError(cause?: unknown): SessionStoreError {
  return new SessionStoreError('STORE_SESSION_OVER', 'an answer was to be recorded of a session that is over', {
    hint: 'it was revoked, has expired or was ended, perhaps by another process, while the exchange was still running',
    cause,
  });
}

/**
 * The database's own error underneath: drizzle's wrapper holds the parameters of the query in its text, and those must not
 * reach a log.
 */
export function innermost(error: unknown): unknown {
  let inner = error;
  while (inner instanceof Error && inner.name !== 'SessionStoreError' && 'query' in inner && inner.cause) {
    inner = inner.cause;
  }
  return inner;
}

/** What a database cannot do, the store cannot do either. */
export function toSessionStoreError({ code, message, hint, cause }: DatabaseError): SessionStoreError {
  return new SessionStoreError(code, message, { ...(hint && { hint }), cause });
}
