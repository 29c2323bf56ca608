import { fileURLToPath } from 'node:url';
import { type Clock, type SessionStore, systemClock } from '@waybill/contracts';
import { DatabaseError, type Migration, migrate, sqlitePath } from '@waybill/database';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import type { Driver } from './driver.js';
import { DrizzleSessionStore } from './drizzle-session-store.js';
import { toSessionStoreError } from './errors.js';

/** Where sessions are kept. */
export interface SessionStoreOptions {
  /** `file:/path/db.sqlite` (or a relative path), `:memory:`, or `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Whether to bring the schema up to date; otherwise an old one is an error. Default true. */
  readonly migrate?: boolean;
  readonly clock?: Clock;
  /**
   * PostgreSQL: longest wait for an answer, in milliseconds, and for records until they are durable, with all attempts while
   * the server restarts. Default 10 000.
   */
  readonly answerLimitMs?: number;
}

const defaultAnswerLimitMs = 10_000;

/**
 * Opens the store of sessions and their evidence.
 * @throws SessionStoreError STORE_UNAVAILABLE, STORE_FULL, STORE_SCHEMA_TOO_NEW, STORE_MIGRATION_FAILED, STORE_FAILED
 */
export async function openSessionStore(options: SessionStoreOptions): Promise<SessionStore> {
  const driver = await openDriver(options);
  try {
    await migrate(driver, { migrations: readMigrations(driver.migrations), apply: options.migrate ?? true });
  } catch (error) {
    await driver.close().catch(() => undefined);
    throw driver.translate(error);
  }
  return new DrizzleSessionStore(driver, options.clock ?? systemClock);
}

/** Only the driver that is asked for is loaded. */
async function openDriver({ url, answerLimitMs = defaultAnswerLimitMs }: SessionStoreOptions): Promise<Driver> {
  if (/^postgres(ql)?:\/\//.test(url)) {
    return await (await import('./postgres-driver.js')).openPostgres(url, answerLimitMs);
  }
  const path = pathOf(url);
  return await (await import('./sqlite-driver.js')).openSqlite(path);
}

function pathOf(url: string): string {
  try {
    return sqlitePath(url, 'sessions');
  } catch (error) {
    throw error instanceof DatabaseError ? toSessionStoreError(error) : error;
  }
}

/** `migrations/` lies beside `src` and `dist`, so the same relative path leads there from both. */
function readMigrations(folder: string): Migration[] {
  const migrationsFolder = fileURLToPath(new URL(`../migrations/${folder}`, import.meta.url));
  return readMigrationFiles({ migrationsFolder }).map(({ folderMillis, hash, sql }) => ({
    made: folderMillis,
    digest: hash,
    statements: sql,
  }));
}
