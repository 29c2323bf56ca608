// Runs as a thread of its own, from dist and (types stripped by Node) from source: siblings may be imported as types only.
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'libsql';
import type { RecordBatch } from './record-batch.js';
import type { SqliteReply, SqliteRequest } from './sqlite-thread.js';

type Statement = ReturnType<InstanceType<typeof Database>['prepare']>;
const port = parentPort;
if (!port) throw new Error('sqlite-worker runs only as a worker thread');
const keptStatements = 200;
const busyTimeoutMs = 5_000;
/** Rows of one statement: crossing into SQLite costs as much as writing a row. */
const rowsPerStatement = 16;
/** Work of one request beside records, 5 ms to 25 ms: records that wait meanwhile hardly notice. */
const indexedPerRequest = 4_000;

let database: InstanceType<typeof Database>;
const statements = new Map<string, { readonly statement: Statement; readonly returnsRows: boolean }>();

try {
  database = await open((workerData as { readonly path: string }).path);
  port.on('message', (request: SqliteRequest) => reply(request.id, () => serve(request)));
  reply(0, () => []);
} catch (error) {
  // Nobody listens, so the thread ends; an error that left it by itself would lose its code.
  reply(0, () => {
    throw error;
  });
}

function serve(request: SqliteRequest): unknown[][] {
  switch (request.type) {
    case 'query':
      return query(request.sql, request.params);
    case 'together':
      return inTransaction(() => request.statements.map(({ sql, params }) => query(sql, params)).at(-1) ?? []);
    case 'record':
      return inTransaction(() => record(request.batch));
    case 'index':
      return index(request.leave);
    case 'close':
      return close();
  }
}

function query(sql: string, params: readonly unknown[]): unknown[][] {
  const { statement, returnsRows } = prepare(sql);
  const bound = params.map(toBound);
  if (returnsRows) return statement.all(bound) as unknown[][];
  statement.run(bound);
  return [];
}

/** A buffer loses its class on the way to this thread. */
function toBound(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}

/** All or nothing. */
function inTransaction(work: () => unknown[][]): unknown[][] {
  query('begin immediate', []);
  try {
    const rows = work();
    query('commit', []);
    return rows;
  } catch (error) {
    // After a full disk or an I/O error SQLite has rolled back by itself.
    if (database.inTransaction) query('rollback', []);
    throw error;
  }
}

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
    prepare(insertOf(rows)).statement.run(params);
  }
  for (const { session, scopeKey, key, id: place, sha256, payload } of catalogs) {
    query('insert or ignore into session_catalogs values (?, ?, ?, ?, unhex(?), ?)', [
      keys[session],
      scopeKey,
      key,
      place,
      sha256,
      payload,
    ]);
  }
  for (const { session, sha256 } of vouchers) {
    query('insert or ignore into session_vouchers values (?, unhex(?))', [keys[session], sha256]);
  }
  return [];
}

function insertOf(rows: number): string {
  return `insert into records (id, session, kind, sha256, size, at, payload) values ${Array(rows).fill('(?, ?, ?, unhex(?), ?, ?, ?)').join(', ')}`;
}

/** The transaction holds the database: nobody moves the session before the records are there. */
function keyOf(sessionId: string, mustBeOpen: boolean): unknown {
  const [row] = query('select key, state from sessions where id = ?', [sessionId]);
  if (!row) throw Object.assign(new Error('no such session'), { code: 'WAYBILL_SESSION_UNKNOWN' });
  const [key, state] = row;
  if (!mustBeOpen || state === 'open') return key;
  throw Object.assign(new Error(`the session is ${state}`), { code: 'WAYBILL_SESSION_OVER' });
}

/** Ids rise for ever: one that was used again would be taken for entered in the index already. */
function nextRecord(): number {
  const [row] = query('select max(coalesce((select max(id) from records), 0), indexed) + 1 from index_state', []);
  return Number(row?.[0]);
}

/**
 * Enters the next records. Done in one go and sorted, this writes far fewer pages than an entry with each record, and a
 * session whose downloads nobody asks for is spared it.
 */
function index(leave: number): unknown[][] {
  const [before] = indexState();
  if (before <= leave) return [[before]];
  return inTransaction(() => {
    const [missing, indexed] = indexState();
    const end = indexed + Math.min(indexedPerRequest, missing);
    query(
      `insert into indexed_downloads (session, sha256, id, size)
       select session, sha256, id, coalesce(size, 0) from records where id > ? and id <= ? and kind = 'd' order by 1, 2, 3`,
      [indexed, end],
    );
    query('update index_state set indexed = ?', [end]);
    return [[indexed + missing - end]];
  });
}

/** How many ids are behind the last one that was entered, and that one. */
function indexState(): readonly [number, number] {
  const [row] = query(
    'select max(coalesce((select max(id) from records), 0) - indexed, 0), indexed from index_state',
    [],
  );
  return [Number(row?.[0]), Number(row?.[1])];
}

function prepare(sql: string): { readonly statement: Statement; readonly returnsRows: boolean } {
  const known = statements.get(sql);
  if (known) {
    statements.delete(sql);
    statements.set(sql, known);
    return known;
  }
  const statement = database.prepare(sql);
  const prepared = { statement, returnsRows: statement.reader };
  if (prepared.returnsRows) statement.raw();
  statements.set(sql, prepared);
  const oldest = statements.size > keptStatements ? statements.keys().next() : undefined;
  if (oldest?.value !== undefined) statements.delete(oldest.value);
  return prepared;
}

function close(): unknown[][] {
  statements.clear();
  database.close();
  // Lets the thread end by itself, after the reply.
  port?.unref();
  return [];
}

function reply(id: number, work: () => unknown[][]): void {
  let answer: SqliteReply;
  try {
    answer = { id, rows: work() };
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    answer = { id, error: { code: String(code ?? ''), message: String(message ?? error) } };
  }
  port?.postMessage(answer);
}

async function open(path: string): Promise<InstanceType<typeof Database>> {
  const opened = new Database(path);
  opened.exec(`pragma busy_timeout = ${busyTimeoutMs}`);
  // Changing the journal mode does not wait for other processes, busy timeout or not.
  for (let waited = 0; ; waited += 50) {
    try {
      opened.exec('pragma journal_mode = wal');
      break;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'SQLITE_BUSY' || waited >= busyTimeoutMs) throw error;
      await sleep(50);
    }
  }
  // Durable at commit, not only at the next checkpoint.
  opened.exec('pragma synchronous = full');
  opened.exec('pragma foreign_keys = on');
  opened.exec('pragma cache_size = -16384');
  opened.exec('pragma journal_size_limit = 67108864');
  return opened;
}
