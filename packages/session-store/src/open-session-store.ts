import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, type SessionStore, systemClock } from '@waybill/contracts';
import type { Driver } from './driver.js';
import { DrizzleSessionStore } from './drizzle-session-store.js';
import { SessionStoreError } from './errors.js';
import { migrate } from './migrate.js';

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
    await migrate(driver, options.migrate ?? true);
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
  const path = sqlitePath(url);
  return await (await import('./sqlite-driver.js')).openSqlite(path);
}

function sqlitePath(url: string): string {
  if (url === ':memory:' || url === 'file::memory:') return ':memory:';
  if (url.startsWith('file:/')) return pathOf(url);
  if (url.startsWith('file:') && url.length > 'file:'.length) return resolve(url.slice('file:'.length));
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? 'no scheme';
  throw new SessionStoreError('STORE_FAILED', `cannot keep sessions at this URL (${scheme})`, {
    hint: 'use file:/path/to/sessions.sqlite or postgres://user@host/database',
  });
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new SessionStoreError('STORE_FAILED', `cannot keep sessions at ${url}: not a path on this machine`, {
      hint: 'use file:/path/to/sessions.sqlite',
      cause,
    });
  }
}
