// Runs in the thread of the database, from dist and (types stripped by Node) from source: siblings may be imported as types only.
import type { SqliteConnection, SqliteOperations } from '@waybill/database';
import type { RecordBatch } from './record-batch.js';

/** Rows of one statement: crossing into SQLite costs as much as writing a row. */
const rowsPerStatement = 16;
/** Work of one request beside records, 5 ms to 25 ms: records that wait meanwhile hardly notice. */
const indexedPerRequest = 4_000;

let connection: SqliteConnection;

/**
 * `record` writes a batch. `index` enters some more records in the index of downloads, unless no more than `leave` are missing,
 * and answers with how many are. Each is a transaction.
 */
export const operations: SqliteOperations = (opened) => {
  connection = opened;
  return {
    record: (batch: RecordBatch) => connection.inTransaction(() => record(batch)),
    index,
  };
};

function record({ sessions, mustBeOpen, records, catalogs, vouchers }: RecordBatch): unknown[][] {
  const keys = sessions.map((id, at) => keyOf(id, mustBeOpen[at] ?? true));
  let id = nextRecord();
  const count = records.payload.length;
  for (let at = 0; at < count; ) {
    const rows = count - at < rowsPerStatement ? 1 : rowsPerStatement;
    const params: unknown[] = [];
    for (const end = at + rows; at < end; at++) {
      const session = keys[records.session[at] ?? -1];
      params.push(
        id++,
        session,
        records.kind[at],
        records.sha256[at],
        records.size[at],
        records.at[at],
        records.payload[at],
      );
    }
    connection.run(insertOf(rows), params);
  }
  for (const { session, scopeKey, key, id: place, sha256, payload } of catalogs) {
    connection.query('insert or ignore into session_catalogs values (?, ?, ?, ?, unhex(?), ?)', [
      keys[session],
      scopeKey,
      key,
      place,
      sha256,
      payload,
    ]);
  }
  for (const { session, sha256 } of vouchers) {
    connection.query('insert or ignore into session_vouchers values (?, unhex(?))', [keys[session], sha256]);
  }
  return [];
}

function insertOf(rows: number): string {
  return `insert into records (id, session, kind, sha256, size, at, payload) values ${Array(rows).fill('(?, ?, ?, unhex(?), ?, ?, ?)').join(', ')}`;
}

/** The transaction holds the database: nobody moves the session before the records are there. */
function keyOf(sessionId: string, mustBeOpen: boolean): unknown {
  const [row] = connection.query('select key, state from sessions where id = ?', [sessionId]);
  if (!row) throw Object.assign(new Error('no such session'), { code: 'WAYBILL_SESSION_UNKNOWN' });
  const [key, state] = row;
  if (!mustBeOpen || state === 'open') return key;
  throw Object.assign(new Error(`the session is ${state}`), { code: 'WAYBILL_SESSION_OVER' });
}

/** Ids rise for ever: one that was used again would be taken for entered in the index already. */
function nextRecord(): number {
  const [row] = connection.query(
    'select max(coalesce((select max(id) from records), 0), indexed) + 1 from index_state',
    [],
  );
  return Number(row?.[0]);
}

/**
 * Enters the next records. Done in one go and sorted, this writes far fewer pages than an entry with each record, and a
 * session whose downloads nobody asks for is spared it.
 */
function index(leave: number): unknown[][] {
  const [before] = indexState();
  if (before <= leave) return [[before]];
  return connection.inTransaction(() => {
    const [missing, indexed] = indexState();
    const end = indexed + Math.min(indexedPerRequest, missing);
    connection.query(
      `insert into indexed_downloads (session, sha256, id, size)
       select session, sha256, id, coalesce(size, 0) from records where id > ? and id <= ? and kind = 'd' order by 1, 2, 3`,
      [indexed, end],
    );
    connection.query('update index_state set indexed = ?', [end]);
    return [[indexed + missing - end]];
  });
}

/** How many ids are behind the last one that was entered, and that one. */
function indexState(): readonly [number, number] {
  const [row] = connection.query(
    'select max(coalesce((select max(id) from records), 0) - indexed, 0), indexed from index_state',
    [],
  );
  return [Number(row?.[0]), Number(row?.[1])];
}
