import { chmod, mkdir, open, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseError, messageOf } from './errors.js';
import { SqliteThread, type SqliteThreadOptions } from './sqlite-thread.js';

/**
 * Opens (and makes, 0600) an SQLite file, or a database in memory for `:memory:`, in a thread of its own.
 * @param what it holds, for messages: `session database`
 * @throws DatabaseError STORE_FAILED, STORE_UNAVAILABLE, STORE_FULL
 */
export async function openSqliteThread(
  path: string,
  what: string,
  options: SqliteThreadOptions = {},
): Promise<SqliteThread> {
  try {
    if (path !== ':memory:') await makeFile(path);
    const thread = new SqliteThread(path, options);
    await thread.opened();
    return thread;
  } catch (error) {
    throw translateSqlite(error, path, what);
  }
}

/**
 * SQLite gives its journal the mode of the database file, so only that one has to be private from the start. One that exists is
 * not opened: closing it would drop the locks that this process holds on it for another connection, and the next process to
 * close the database would take itself for the last one and remove the journal with what is committed in it.
 * https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
 */
async function makeFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    const handle = await open(path, 'ax', 0o600);
    await handle.close();
  } catch (error) {
    if (!(await isFile(path))) throw error;
  }
  await chmod(path, 0o600);
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ?? false;
}

/**
 * Path of `file:/path`, `file:relative` or `:memory:`.
 * @param what is kept there, for messages: `sessions`
 * @throws DatabaseError STORE_FAILED
 */
export function sqlitePath(url: string, what: string): string {
  if (url === ':memory:' || url === 'file::memory:') return ':memory:';
  if (url.startsWith('file:/')) return pathOf(url, what);
  if (url.startsWith('file:') && url.length > 'file:'.length) return resolve(url.slice('file:'.length));
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? 'no scheme';
  throw new DatabaseError('STORE_FAILED', `cannot keep ${what} at this URL (${scheme})`, {
    hint: `use file:/path/to/${what}.sqlite or postgres://user@host/database`,
  });
}

function pathOf(url: string, what: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new DatabaseError('STORE_FAILED', `cannot keep ${what} at ${url}: not a path on this machine`, {
      hint: `use file:/path/to/${what}.sqlite`,
      cause,
    });
  }
}

const notOurs = 'let the user of this process own the file and its directory, or choose another path';

function hintOf(code: string, what: string): string | undefined {
  if (/^SQLITE_(CANTOPEN|READONLY)|^(EACCES|EPERM|EROFS|ENOTDIR|EISDIR|EEXIST)$/.test(code)) return notOurs;
  if (code.startsWith('SQLITE_NOTADB')) return `this file is not a ${what}: choose another path`;
  if (code.startsWith('SQLITE_CORRUPT'))
    return 'the file is damaged: check the disk, move the file away and start anew';
  return undefined;
}

/** Puts an error of SQLite or the file system in our terms. */
export function translateSqlite(cause: unknown, path: string, what: string): DatabaseError {
  if (cause instanceof DatabaseError) return cause;
  const code = String((cause as { code?: unknown })?.code ?? '');
  const said = `${path}: ${messageOf(cause)}${code ? ` (${code})` : ''}`;
  if (/^SQLITE_(FULL|IOERR_SHMSIZE)$|^(ENOSPC|EDQUOT)$/.test(code)) {
    return new DatabaseError('STORE_FULL', `no space left for the ${what} ${said}`, {
      hint: 'free space on its file system; nothing of what was refused was kept',
      cause,
    });
  }
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new DatabaseError('STORE_UNAVAILABLE', `the ${what} is locked by another process: ${said}`, {
      hint: 'try again, or use PostgreSQL when several processes write a lot',
      cause,
    });
  }
  const hint = hintOf(code, what);
  return new DatabaseError('STORE_FAILED', `the ${what} failed: ${said}`, { ...(hint && { hint }), cause });
}
