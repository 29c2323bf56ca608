import { WaybillError } from '@waybill/contracts';

/** Codes of {@link DatabaseError}. */
export type DatabaseErrorCode =
  | 'STORE_UNAVAILABLE'
  | 'STORE_FULL'
  | 'STORE_SCHEMA_TOO_NEW'
  | 'STORE_MIGRATION_FAILED'
  | 'STORE_CLOSED'
  | 'STORE_FAILED';

/** Anything a database cannot do. */
export class DatabaseError extends WaybillError<DatabaseErrorCode> {}

export function closedError(): DatabaseError {
  return new DatabaseError('STORE_CLOSED', 'the database is closed');
}

/** First line of what the database says. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}
