import { open, stat } from 'node:fs/promises';
import { SessionStoreError } from './errors.js';

/**
 * Copies an SQLite session database into a new file (0600) as it is at one moment, durably, while others read and write it.
 * The copy holds no more than what is in use and can be opened as any other.
 * @param from path of the database
 * @param to path of a file that does not exist
 * @throws SessionStoreError STORE_FULL, STORE_UNAVAILABLE, STORE_FAILED
 */
export async function copySessionDatabase(from: string, to: string): Promise<void> {
  const { openSqliteThread, translateSqlite } = await import('./sqlite-driver.js');
  const translate = (error: unknown) => translateSqlite(error, to);
  // Opening makes what is not there.
  if (!(await stat(from).catch(() => undefined))?.isFile()) {
    throw new SessionStoreError('STORE_FAILED', `there is no session database ${from}`);
  }
  const thread = await openSqliteThread(from);
  try {
    // SQLite takes an empty file for one that does not exist, and keeps its mode.
    await (await open(to, 'wx', 0o600)).close();
    await thread.query('vacuum into ?', [to]);
    const file = await open(to, 'r+');
    await file.sync();
    await file.close();
  } catch (error) {
    throw translate(error);
  } finally {
    await thread.close();
  }
}
