import { chmod, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { drizzle } from 'drizzle-orm/sqlite-proxy';
import type { Driver, InsertBatch, MigrationSession, TableName } from './driver.js';
import { innermost, messageOf, SessionStoreError, unknownSessionError } from './errors.js';
import { type InsertStatement, insertStatement } from './insert-statement.js';
import { tables } from './schema/sqlite.js';
import { SqliteThread } from './sqlite-thread.js';

const statements = Object.fromEntries(
  Object.entries(tables).map(([name, table]) => [name, insertStatement(table)]),
) as Record<TableName, InsertStatement>;

/**
 * Opens (and makes, 0600) an SQLite file, or a database in memory for `:memory:`.
 * @throws SessionStoreError STORE_FAILED, STORE_UNAVAILABLE, STORE_FULL
 */
export async function openSqlite(path: string): Promise<Driver> {
  const translate = (error: unknown) => translateSqlite(error, path);
  const thread = await openThread(path, translate);
  const db = drizzle(async (sql, params, method) => {
    const rows = await thread.query(sql, params);
    return { rows: method === 'get' ? (rows[0] as unknown as unknown[]) : rows };
  });
  return {
    db,
    tables,
    migrations: 'sqlite',
    // One is written while the next is made ready.
    writers: 2,
    insert: (batches) => thread.write(batches.map(toWrite)),
    exclusively: (work) => exclusively(thread, work),
    translate,
    close: () => thread.close(),
  };
}

async function openThread(path: string, translate: (error: unknown) => SessionStoreError): Promise<SqliteThread> {
  try {
    if (path !== ':memory:') await makeFile(path);
    const thread = new SqliteThread(path);
    await thread.opened();
    return thread;
  } catch (error) {
    throw translate(error);
  }
}

/** SQLite gives its journal the mode of the database file, so only that one has to be private from the start. */
async function makeFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const handle = await open(path, 'a', 0o600);
  await handle.close();
  await chmod(path, 0o600);
}

function toWrite(batch: InsertBatch) {
  const { table, columns, values } = statements[batch.table];
  const names = columns.map(({ name }) => `"${name}"`).join(', ');
  const conflict = batch.keepExisting ? ' on conflict do nothing' : '';
  const sql = `insert into "${table}" (${names}) values (${columns.map(() => '?').join(', ')})${conflict}`;
  return { sql, rows: batch.rows.map(values) };
}

async function exclusively(thread: SqliteThread, work: (session: MigrationSession) => Promise<void>): Promise<void> {
  await thread.query('begin immediate');
  try {
    await work({
      run: async (sql) => {
        await thread.query(sql);
      },
      rows: (sql) => thread.query(sql),
    });
    await thread.query('commit');
  } catch (error) {
    await thread.query('rollback').catch(() => undefined);
    throw error;
  }
}

const hints: Readonly<Record<string, string>> = {
  SQLITE_CANTOPEN: 'let the user of this process own the file and its directory, or choose another path',
  SQLITE_READONLY: 'let the user of this process own the file and its directory, or choose another path',
  SQLITE_NOTADB: 'this file is not a session database: choose another path',
  SQLITE_CORRUPT: 'the file is damaged: check the disk, move the file away and start anew',
};

function translateSqlite(error: unknown, path: string): SessionStoreError {
  const cause = innermost(error);
  if (cause instanceof SessionStoreError) return cause;
  const code = String((cause as { code?: unknown })?.code ?? '');
  const said = `${path}: ${messageOf(cause)}${code ? ` (${code})` : ''}`;
  if (code.startsWith('SQLITE_CONSTRAINT_FOREIGNKEY')) return unknownSessionError(cause);
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
