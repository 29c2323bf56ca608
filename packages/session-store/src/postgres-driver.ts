import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import type { Driver, InsertBatch, MigrationSession, TableName, Tables } from './driver.js';
import { innermost, messageOf, SessionStoreError, unknownSessionError } from './errors.js';
import { type InsertStatement, insertStatement } from './insert-statement.js';
import { tables } from './schema/postgres.js';

const statements = Object.fromEntries(
  Object.entries(tables).map(([name, table]) => [name, insertStatement(table)]),
) as Record<TableName, InsertStatement>;

/** Any fixed number: everybody who migrates takes the same advisory lock. */
const migrationLock = 7_236_118_251;
const connections = 8;
/** Leaves connections to readers. */
const writers = 4;
const attempts = 4;
const rowsPerStatement = 2000;

/**
 * Connects to PostgreSQL; broken connections are replaced when they are next needed.
 * @throws SessionStoreError STORE_UNAVAILABLE, STORE_FAILED
 */
export async function openPostgres(url: string): Promise<Driver> {
  const place = describe(url);
  const client = postgres(url, {
    max: connections,
    connect_timeout: 10,
    idle_timeout: 60,
    // Tried again soon after the server is back.
    backoff: (tries) => Math.min(0.1 * 2 ** tries, 2),
    // Arrays are written as text below, so that no extra query is needed to learn their types.
    fetch_types: false,
    onnotice: () => undefined,
    connection: { application_name: 'waybill' },
  });
  const translate = (error: unknown) => translatePostgres(error, place);
  try {
    await checkDurability(client);
  } catch (error) {
    await client.end({ timeout: 1 });
    throw translate(error);
  }
  return {
    db: drizzle(client) as unknown as Driver['db'],
    tables: tables as unknown as Tables,
    migrations: 'postgres',
    writers,
    insert: (batches) => insert(client, batches),
    exclusively: (work) => exclusively(client, work),
    translate,
    // Nobody waits for an answer any more; connections that an outage left half open would keep `end` waiting.
    close: () => client.end({ timeout: 1 }),
  };
}

/** A server that acknowledges before it has written would break the promise that what is recorded is durable. */
async function checkDurability(client: postgres.Sql): Promise<void> {
  const [settings] = await client`select current_setting('synchronous_commit') as commit`;
  if (settings?.commit !== 'off') return;
  throw new SessionStoreError(
    'STORE_FAILED',
    'PostgreSQL acknowledges before it has written: synchronous_commit is off',
    {
      hint: 'set it to on, at least for this user: ALTER ROLE … SET synchronous_commit = on',
    },
  );
}

/** Deadlocks and serialization failures change nothing and are worth another try. */
async function insert(client: postgres.Sql, batches: readonly InsertBatch[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.begin((transaction) => batches.flatMap((batch) => insertRows(transaction, batch)));
      return;
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if ((code !== '40P01' && code !== '40001') || attempt === attempts) throw error;
    }
  }
}

/** Few statements whatever the number of rows: a column is one array parameter. */
function insertRows(client: Pick<postgres.Sql, 'unsafe'>, batch: InsertBatch) {
  const { table, columns, values } = statements[batch.table];
  const names = columns.map(({ name }) => `"${name}"`).join(', ');
  const arrays = columns.map((_, at) => `$${at + 1}::text[]`).join(', ');
  const casts = columns.map(({ name, type }) => `"${name}"::${type.replace(/ COLLATE .*/, '')}`).join(', ');
  const conflict = batch.keepExisting ? ' on conflict do nothing' : '';
  const sql = `insert into "${table}" (${names}) select ${casts} from unnest(${arrays}) as new_rows(${names})${conflict}`;
  return slices(batch.rows.map(values)).map((rows) => {
    const parameters = columns.map((_, at) => arrayText(rows.map((row) => row[at])));
    return client.unsafe(sql, parameters, { prepare: true });
  });
}

/** A parameter must stay far below PostgreSQL's limit of 1 GiB. */
function slices<T>(rows: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < rows.length; from += rowsPerStatement)
    parts.push(rows.slice(from, from + rowsPerStatement));
  return parts;
}

/** PostgreSQL's text form of an array. @see PostgreSQL manual, 8.15.6 */
function arrayText(values: readonly unknown[]): string {
  const elements = values.map((value) => {
    if (value === null || value === undefined) return 'NULL';
    return `"${String(value).replace(/["\\]/g, '\\$&')}"`;
  });
  return `{${elements.join(',')}}`;
}

async function exclusively(client: postgres.Sql, work: (session: MigrationSession) => Promise<void>): Promise<void> {
  await client.begin(async (transaction) => {
    await transaction.unsafe(`select pg_advisory_xact_lock(${migrationLock})`);
    await work({
      // drizzle-kit names the schema `public` in references; the tables live where the search path of the URL points.
      run: async (sql) => {
        await transaction.unsafe(sql.replaceAll('"public".', ''));
      },
      rows: async (sql) => (await transaction.unsafe(sql).values()) as unknown[][],
    });
  });
}

/** Host and database, without user and password. */
function describe(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname || 'localhost'}:${port || 5432}${pathname}`;
  } catch {
    return 'the database';
  }
}

/** Codes of the operating system and of postgres.js; then PostgreSQL's own, appendix A of its manual. */
const unreachable =
  /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EHOST|ENET|EPIPE|ENOENT)|^(08...|57P0.|57014|53300|25006|40P01|40001)$/;

function translatePostgres(error: unknown, place: string): SessionStoreError {
  const cause = innermost(error);
  if (cause instanceof SessionStoreError) return cause;
  const code = String((cause as { code?: unknown })?.code ?? '');
  const said = `${messageOf(cause)}${code ? ` (${code})` : ''}`;
  if (code === '23503') return unknownSessionError(cause);
  if (code === '53100') {
    return new SessionStoreError('STORE_FULL', `PostgreSQL at ${place} has no space left: ${said}`, {
      hint: 'free space for the database; nothing of the refused record was kept',
      cause,
    });
  }
  if (unreachable.test(code)) {
    return new SessionStoreError('STORE_UNAVAILABLE', `PostgreSQL at ${place} cannot be used now: ${said}`, {
      hint: 'check that the server runs, is not read-only and accepts connections; the same store works again then',
      cause,
    });
  }
  const hint = /^(28...|3D000)$/.test(code) ? 'check user, password and database name of the URL' : undefined;
  return new SessionStoreError('STORE_FAILED', `PostgreSQL at ${place} failed: ${said}`, {
    ...(hint && { hint }),
    cause,
  });
}
