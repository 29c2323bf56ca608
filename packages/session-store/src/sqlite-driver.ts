import { chmod, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/sqlite-proxy';
import type { Driver, MigrationSession } from './driver.js';
import { innermost, messageOf, SessionStoreError, sessionOverError, unknownSessionError } from './errors.js';
import { tables } from './schema/sqlite.js';
import { removeRecords } from './sqlite-removal.js';
import { SqliteThread } from './sqlite-thread.js';

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
    record: (batch) => thread.record(batch),
    catchUp: ({ all }) => catchUp(thread, all ? 0 : fewRecords),
    removeRecords: (session) => removeRecords(thread, session),
    hexOf: (digest) => sql<string>`lower(hex(${digest}))`,
    referenced: (sha256s) => referenced(thread, sha256s),
    rows: (text) => thread.query(text),
    exclusively: (work) => exclusively(thread, work),
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

/** @throws SessionStoreError STORE_FAILED, STORE_UNAVAILABLE, STORE_FULL */
export async function openSqliteThread(path: string): Promise<SqliteThread> {
  try {
    if (path !== ':memory:') await makeFile(path);
    const thread = new SqliteThread(path);
    await thread.opened();
    return thread;
  } catch (error) {
    throw translateSqlite(error, path);
  }
}

/** SQLite gives its journal the mode of the database file, so only that one has to be private from the start. */
async function makeFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const handle = await open(path, 'a', 0o600);
  await handle.close();
  await chmod(path, 0o600);
}

async function exclusively(thread: SqliteThread, work: (session: MigrationSession) => Promise<void>): Promise<void> {
  await thread.query('begin immediate');
  try {
    await work({
      run: async (text) => {
        await thread.query(text);
      },
      rows: (text) => thread.query(text),
    });
    await thread.query('commit');
  } catch (error) {
    await thread.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** So many are looked through instead, which takes a tenth of a millisecond. */
const fewRecords = 256;

/** A disk without room, or a process that holds the database, must not keep anybody from reading. */
async function catchUp(thread: SqliteThread, leave: number): Promise<boolean> {
  try {
    for (;;) {
      const missing = await thread.index(leave);
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

const hints: Readonly<Record<string, string>> = {
  SQLITE_CANTOPEN: 'let the user of this process own the file and its directory, or choose another path',
  SQLITE_READONLY: 'let the user of this process own the file and its directory, or choose another path',
  SQLITE_NOTADB: 'this file is not a session database: choose another path',
  SQLITE_CORRUPT: 'the file is damaged: check the disk, move the file away and start anew',
};

/** Puts an error of SQLite or the file system in our terms. */
export function translateSqlite(error: unknown, path: string): SessionStoreError {
  const cause = innermost(error);
  if (cause instanceof SessionStoreError) return cause;
  const code = String((cause as { code?: unknown })?.code ?? '');
  const said = `${path}: ${messageOf(cause)}${code ? ` (${code})` : ''}`;
  if (code === 'WAYBILL_SESSION_UNKNOWN') return unknownSessionError(cause);
  if (code === 'WAYBILL_SESSION_OVER') return sessionOverError(cause);
  if (/^SQLITE_(FULL|IOERR_SHMSIZE)$|^(ENOSPC|EDQUOT)$/.test(code)) {
    return new SessionStoreError('STORE_FULL', `no space left for the session database ${said}`, {
      hint: 'free space on its file system; nothing of the refused record was kept',
      cause,
    });
  }
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new SessionStoreError('STORE_UNAVAILABLE', `the session database is locked by another process: ${said}`, {
      hint: 'try again, or use PostgreSQL when several processes write a lot',
      cause,
    });
  }
  const known = Object.entries(hints).find(([prefix]) => code.startsWith(prefix));
  const hint =
    known?.[1] ?? (/^(EACCES|EPERM|EROFS|ENOTDIR|EISDIR|EEXIST)$/.test(code) ? hints.SQLITE_CANTOPEN : undefined);
  return new SessionStoreError('STORE_FAILED', `the session database failed: ${said}`, {
    ...(hint && { hint }),
    cause,
  });
}
