import type { Database } from './database.js';
import type { Migration } from './migrate.js';
import { openPostgresDatabase } from './postgres-database.js';
import { openSqliteDatabase } from './sqlite-database.js';

/** Which database, and what has to be in it. */
export interface OpenDatabaseOptions {
  /** `file:/path/db.sqlite` (or a relative path), `:memory:`, or `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** The schema, in the order of its changes. */
  readonly migrations: (dialect: Database['dialect']) => readonly Migration[];
  /** Where it is noted which of them were applied. */
  readonly migrationsTable: string;
  /** Whether to bring the schema up to date; otherwise an old one is an error. Default true. */
  readonly migrate?: boolean | undefined;
  /** What is kept there, in one word for messages and file names: `cache`. */
  readonly what: string;
  /** PostgreSQL: longest wait for an answer, in milliseconds. Default 10 000. */
  readonly answerLimitMs?: number | undefined;
}

/**
 * Opens (and makes) an SQLite file, or connects to PostgreSQL, with the schema up to date.
 * @throws DatabaseError STORE_UNAVAILABLE, STORE_FULL, STORE_SCHEMA_TOO_NEW, STORE_MIGRATION_FAILED, STORE_FAILED
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Database> {
  const { url, what, migrations, migrate: apply = true, migrationsTable: table, answerLimitMs = 10_000 } = options;
  if (/^postgres(ql)?:\/\//.test(url)) {
    return await openPostgresDatabase(url, answerLimitMs, { migrations: migrations('postgres'), apply, table });
  }
  return await openSqliteDatabase(url, what, { migrations: migrations('sqlite'), apply, table });
}
