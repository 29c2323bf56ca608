import type { MigrationSession } from './migrate.js';
import type { SqliteThread } from './sqlite-thread.js';

/** A transaction that no other process can be in at the same time; nothing else may be asked of the thread meanwhile. */
export async function exclusivelyInSqlite<Result>(
  thread: Pick<SqliteThread, 'query'>,
  work: (session: MigrationSession) => Promise<Result>,
): Promise<Result> {
  await thread.query('begin immediate');
  try {
    const result = await work({
      run: async (text) => {
        await thread.query(text);
      },
      rows: (text) => thread.query(text),
    });
    await thread.query('commit');
    return result;
  } catch (error) {
    await thread.query('rollback').catch(() => undefined);
    throw error;
  }
}
