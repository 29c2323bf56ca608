// Runs as a thread of its own, from dist and (types stripped by Node) from source: siblings may be imported as types only.
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'libsql';
import type { SqliteOperations, SqliteReply, SqliteRequest, SqliteThreadData } from './sqlite-thread.js';

type Statement = ReturnType<InstanceType<typeof Database>['prepare']>;
const port = parentPort;
if (!port) throw new Error('sqlite-worker runs only as a worker thread');
const keptStatements = 200;
const busyTimeoutMs = 5_000;
let database: InstanceType<typeof Database>;
let operations: ReturnType<SqliteOperations> = {};
const statements = new Map<string, { readonly statement: Statement; readonly returnsRows: boolean }>();

try {
  const given = workerData as SqliteThreadData;
  database = await open(given.path);
  if (given.operations) {
    const module = (await import(given.operations)) as { readonly operations: SqliteOperations };
    operations = module.operations({ query, run, inTransaction });
  }
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
    case 'operation':
      return operationOf(request.name)(request.argument as never);
    case 'close':
      return close();
  }
}

function operationOf(name: string): (argument: never) => unknown[][] {
  const found = operations[name];
  if (!found) throw new Error(`there is no operation ${name}`);
  return found;
}

function query(sql: string, params: readonly unknown[]): unknown[][] {
  const { statement, returnsRows } = prepare(sql);
  const bound = params.map(toBound);
  if (returnsRows) return statement.all(bound) as unknown[][];
  statement.run(bound);
  return [];
}

function run(sql: string, params: readonly unknown[]): void {
  prepare(sql).statement.run(params);
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
