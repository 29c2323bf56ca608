import { extname } from 'node:path';
import {
  exclusivelyInSqlite,
  openSqliteThread as openThread,
  type SqliteThread,
  translateSqlite as translateFile,
} from '@waybill/database';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/sqlite-proxy';
import type { Driver } from './driver.js';
import { innermost, SessionStoreError, sessionOverError, toSessionStoreError, unknownSessionError } from './errors.js';
import { tables } from './schema/sqlite.js';
import { enterDownloads, removeRecords } from './sqlite-removal.js';

/**
 * Opens (and makes, 0600) an SQLite file, or a database in memory for `:memory:`.
 * @throws SessionStoreError STORE_FAILED, STORE_UNAVAILABLE, STORE_FULL
 */
export async function openSqlite(path: string): Promise<Driver> {
  const translate = (error: unknown) => translateSqlite(error, path);
  const thread = await openSqliteThread(path);
  const db = drizzle(async (text, params, method) => {
    const rows = await thread.query(text, params);
    return { rows: method === 'get' ? (rows[0] as unknown as unknown[]) : rows };
  });
  return {
    db,
    tables,
    // A look at the end of a small table: some 50 µs.
    changes: { pollMs: 200, lateNumbers: 0, lateMs: 0 },
    migrations: 'sqlite',
    // One is written while the next is made ready.
    writers: 2,
    together: (statements) => thread.together(statements),
    isMissingReference: (error) =>
      String((innermost(error) as { code?: unknown }).code).startsWith('SQLITE_CONSTRAINT_FOREIGNKEY'),
    record: async (batch) => {
      await thread.operation('record', batch);
    },
    catchUp: ({ all }) => catchUp(thread, all ? 0 : fewRecords),
    removeRecords: (session) => removeRecords(thread, session),
    hexOf: (digest) => sql<string>`lower(hex(${digest}))`,
    referenced: (sha256s) => referenced(thread, sha256s),
    rows: (text) => thread.query(text),
    exclusively: (work) => exclusivelyInSqlite(thread, work),
    usedBytes: async () => {
      const [row] = await thread.query(
        'select (p.page_count - f.freelist_count) * s.page_size from pragma_page_count p, pragma_freelist_count f, pragma_page_size s',
      );
      return Number(row?.[0]);
    },
    translate,
    close: () => thread.close(),
  };
}

const what = 'session database';
// It lies beside this module as source, and beside the bundle in dist.
const operations = new URL(`./sqlite-operations${extname(new URL(import.meta.url).pathname)}`, import.meta.url);

/** @throws SessionStoreError STORE_FAILED, STORE_UNAVAILABLE, STORE_FULL */
export async function openSqliteThread(path: string): Promise<SqliteThread> {
  try {
    return await openThread(path, what, { operations });
  } catch (error) {
    throw translateSqlite(error, path);
  }
}

/** So many are looked through instead, which takes a tenth of a millisecond. */
const fewRecords = 256;

/** A disk without room, or a process that holds the database, must not keep anybody from reading. */
async function catchUp(thread: SqliteThread, leave: number): Promise<boolean> {
  try {
    for (;;) {
      const missing = await enterDownloads(thread, leave);
      if (missing <= leave) return missing === 0;
    }
  } catch (error) {
    if (!/^SQLITE_(FULL|BUSY|LOCKED|READONLY|IOERR)/.test(String((error as { code?: unknown }).code))) throw error;
    return false;
  }
}

async function referenced(thread: SqliteThread, sha256s: readonly string[]): Promise<string[]> {
  const rows = await thread.query(
    `select value from (select value, unhex(value) as sha256 from json_each(?)) as wanted
     where exists (select 1 from indexed_downloads where sha256 = wanted.sha256)
       or sha256 in (select sha256 from records where id > (select indexed from index_state))
       or exists (select 1 from records where sha256 = wanted.sha256 and kind <> 'd')
       or exists (select 1 from session_vouchers where sha256 = wanted.sha256)
       or exists (select 1 from session_catalogs where sha256 = wanted.sha256)`,
    [JSON.stringify(sha256s)],
  );
  return rows.map(([sha256]) => String(sha256));
}

/** Puts an error of SQLite or the file system in our terms. */
export function translateSqlite(error: unknown, path: string): SessionStoreError {
  const cause = innermost(error);
  if (cause instanceof SessionStoreError) return cause;
  const { code } = (cause ?? {}) as { readonly code?: unknown };
  if (code === 'WAYBILL_SESSION_UNKNOWN') return unknownSessionError(cause);
  if (code === 'WAYBILL_SESSION_OVER') return sessionOverError(cause);
  return toSessionStoreError(translateFile(cause, path, what));
}
