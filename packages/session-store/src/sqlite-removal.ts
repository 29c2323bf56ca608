import type { SqliteThread } from '@waybill/database';

/** Downloads looked up in one go: their records lie side by side once they are sorted by id, and go with far fewer pages. */
const lookedUp = 10_000;
/** Rows of one statement, some milliseconds of work. */
const removed = 500;

/**
 * Enters some more records in the index of downloads.
 * @returns how many are not entered yet: `leave` at most when there is nothing more to do
 */
export async function enterDownloads(thread: SqliteThread, leave: number): Promise<number> {
  const [row] = await thread.operation('index', leave);
  return Number(row?.[0]);
}

/**
 * Removes some records of a session that takes no more. Two processes may do it at the same time: what one has removed is
 * nothing to the other.
 * @returns whether there may be more
 */
export async function removeRecords(thread: SqliteThread, session: number): Promise<boolean> {
  // Only downloads that were entered are found, and after this none is entered any more.
  while ((await enterDownloads(thread, 0)) > 0);
  const downloads = await thread.query(
    'select id, hex(sha256) from indexed_downloads where session = ? order by sha256, indexed_downloads.id limit ?',
    [session, lookedUp],
  );
  if (downloads.length > 0) {
    await removeDownloads(thread, session, downloads);
    return true;
  }
  const others = await thread.query(
    `delete from records where id in (select id from records where session = ? and kind <> 'd' limit ?) returning 1`,
    [session, removed],
  );
  return others.length > 0;
}

/** Entries after their records: what is interrupted in between is found again. */
async function removeDownloads(thread: SqliteThread, session: number, downloads: readonly unknown[][]): Promise<void> {
  const ids = downloads.map(([id]) => Number(id)).sort((a, b) => a - b);
  for (let from = 0; from < ids.length; from += removed) {
    const some = JSON.stringify(ids.slice(from, from + removed));
    await thread.query('delete from records where id in (select value from json_each(?))', [some]);
  }
  for (let from = 0; from < downloads.length; from += removed) {
    const [id, sha256] = downloads[Math.min(from + removed, downloads.length) - 1] ?? [];
    await thread.query('delete from indexed_downloads where session = ? and (sha256, id) <= (unhex(?), ?)', [
      session,
      sha256,
      id,
    ]);
  }
}
