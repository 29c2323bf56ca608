// Runs as a thread of its own, from dist and (types stripped by Node) from source: siblings may be imported as types only.
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'libsql';
import type { SqliteReply, SqliteRequest, WriteStatement } from './sqlite-thread.js';

type Statement = ReturnType<InstanceType<typeof Database>['prepare']>;
const port = parentPort;
if (!port) throw new Error('sqlite-worker runs only as a worker thread');
const keptStatements = 200;
const busyTimeoutMs = 5_000;

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
    case 'write':
      return write(request.statements);
    case 'close':
      return close();
  }
}

function query(sql: string, params: readonly unknown[]): unknown[][] {
  const { statement, returnsRows } = prepare(sql);
  if (returnsRows) return statement.all(params) as unknown[][];
  statement.run(params);
  return [];
}

/** All or nothing. */
function write(inserts: readonly WriteStatement[]): unknown[][] {
  query('begin immediate', []);
  try {
    for (const { sql, rows } of inserts) {
      const { statement } = prepare(sql);
      for (const row of rows) statement.run(row);
    }
    query('commit', []);
  } catch (error) {
    // After a full disk or an I/O error SQLite has rolled back by itself.
    if (database.inTransaction) query('rollback', []);
    throw error;
  }
  return [];
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
