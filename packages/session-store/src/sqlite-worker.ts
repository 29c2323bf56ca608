// Runs as a thread of its own, from dist and (types stripped by Node) from source: siblings may be imported as types only.
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'libsql';
import type { SqliteReply, SqliteRequest, WriteStatement } from './sqlite-thread.js';

type Statement = ReturnType<InstanceType<typeof Database>['prepare']>;
type WriteRequest = Extract<SqliteRequest, { readonly type: 'write' }>;

const port = parentPort;
if (!port) throw new Error('sqlite-worker runs only as a worker thread');
const keptStatements = 200;
const busyTimeoutMs = 5_000;

const database = await openOrReport((workerData as { readonly path: string }).path);
const statements = new Map<string, { readonly statement: Statement; readonly returnsRows: boolean }>();
let queue: SqliteRequest[] = [];

port.on('message', (request: SqliteRequest) => {
  // All requests that have arrived by now are served in one go, so that their writes share one fsync.
  if (queue.length === 0) setImmediate(serve);
  queue.push(request);
});
reply(0, () => []);

function serve(): void {
  const requests = queue;
  queue = [];
  let writes: WriteRequest[] = [];
  for (const request of requests) {
    if (request.type === 'write') {
      writes.push(request);
      continue;
    }
    write(writes);
    writes = [];
    if (request.type === 'query') reply(request.id, () => query(request.sql, request.params));
    else reply(request.id, close);
  }
  write(writes);
}

function query(sql: string, params: readonly unknown[]): unknown[][] {
  const { statement, returnsRows } = prepare(sql);
  if (returnsRows) return statement.all(params) as unknown[][];
  statement.run(params);
  return [];
}

/** Serves all in one transaction; each is all or nothing by itself. */
function write(requests: readonly WriteRequest[]): void {
  if (requests.length === 0) return;
  const failures = new Map<number, unknown>();
  try {
    database.exec('begin immediate');
    for (const request of requests) {
      if (requests.length === 1) insertAll(request.statements);
      else insertApart(request, failures);
    }
    database.exec('commit');
  } catch (error) {
    if (database.inTransaction) database.exec('rollback');
    for (const request of requests) failures.set(request.id, error);
  }
  for (const request of requests) {
    reply(request.id, () => {
      if (failures.has(request.id)) throw failures.get(request.id);
      return [];
    });
  }
}

function insertApart(request: WriteRequest, failures: Map<number, unknown>): void {
  database.exec('savepoint one');
  try {
    insertAll(request.statements);
  } catch (error) {
    // A full disk or an I/O error ends the whole transaction: then everybody fails.
    if (!database.inTransaction) throw error;
    database.exec('rollback to one');
    failures.set(request.id, error);
  }
  database.exec('release one');
}

function insertAll(inserts: readonly WriteStatement[]): void {
  for (const { sql, rows } of inserts) {
    const { statement } = prepare(sql);
    for (const row of rows) statement.run(row);
  }
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

/** An error that leaves the thread by itself would lose its code. */
async function openOrReport(path: string): Promise<InstanceType<typeof Database>> {
  try {
    return await open(path);
  } catch (error) {
    reply(0, () => {
      throw error;
    });
    throw error;
  }
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
