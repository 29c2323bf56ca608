import { setTimeout as sleep } from 'node:timers/promises';
import { getTableName, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/pg-proxy';
import type { BoundStatement, Driver, MigrationSession, Tables } from './driver.js';
import { innermost, messageOf, SessionStoreError, sessionOverError, unknownSessionError } from './errors.js';
import { idBefore } from './ids.js';
import { PostgresClient, postgresCode } from './postgres-client.js';
import { arrayText, insertBatch } from './postgres-records.js';
import type { RecordBatch } from './record-batch.js';
import { recordBatches, tables } from './schema/postgres.js';

/** Any fixed number: everybody who migrates takes the same advisory lock. */
const migrationLock = 7_236_118_251;
/** What the triggers notify. */
const changesChannel = 'waybill_session_changes';
/** Leaves connections to readers. */
const writers = 4;
const removedPerStep = 1000;
/** Batches after which ids of old ones are removed; nobody sends one again after so long. */
const batchesPerRemoval = 1000;
const keptBatchesMs = 10 * 60_000;
const stored = [
  tables.configurations,
  tables.sessions,
  tables.records,
  tables.sessionVouchers,
  tables.sessionCatalogs,
  tables.sessionChanges,
  tables.pings,
  recordBatches,
];

/**
 * Connects to PostgreSQL; broken connections are replaced when they are next needed.
 * @param limitMs longest wait for an answer, and for a batch of records with all its attempts
 * @throws SessionStoreError STORE_UNAVAILABLE, STORE_FAILED
 */
export async function openPostgres(url: string, limitMs: number): Promise<Driver> {
  const place = describe(url);
  const client = new PostgresClient(url, limitMs);
  const translate = (error: unknown) => translatePostgres(error, place);
  try {
    await checkServer(client);
  } catch (error) {
    await client.close();
    throw translate(error);
  }
  const db = drizzle(async (text, params) => ({ rows: await client.query(text, params) }));
  const recorder = createRecorder(client, limitMs);
  return {
    db: db as unknown as Driver['db'],
    tables: tables as unknown as Tables,
    changes: {
      // Notifications come at once; this finds what a connection that was cut has lost.
      pollMs: 1000,
      lateNumbers: 100,
      lateMs: 10_000,
      onSignal: (signal) => client.listen(changesChannel, signal),
    },
    migrations: 'postgres',
    writers,
    together: (statements) => together(client, statements),
    isMissingReference: (error) => postgresCode(innermost(error)) === '23503',
    record: recorder,
    // Indexes are written with the records: the server does it, beside this process.
    catchUp: async () => true,
    removeRecords: (session) => removeRecords(client, session),
    hexOf: (digest) => sql<string>`encode(${digest}, 'hex')`,
    referenced: (sha256s) => referenced(client, sha256s),
    rows: (text) => client.query(text),
    exclusively: (work) => exclusively(client, work),
    usedBytes: () => usedBytes(client),
    translate,
    close: () => client.close(),
  };
}

/** A server that acknowledges before it has written would break the promise that what is recorded is durable. */
async function checkServer(client: PostgresClient): Promise<void> {
  const [settings] = await client.query(
    `select current_setting('synchronous_commit'), current_setting('transaction_read_only')`,
  );
  if (settings?.[1] === 'on') {
    throw new SessionStoreError('STORE_UNAVAILABLE', 'PostgreSQL takes no changes: it is read-only', {
      hint: 'connect to the primary server, not to a standby',
    });
  }
  if (settings?.[0] !== 'off') return;
  throw new SessionStoreError(
    'STORE_FAILED',
    'PostgreSQL acknowledges before it has written: synchronous_commit is off',
    {
      hint: 'set it to on, at least for this user: ALTER ROLE … SET synchronous_commit = on',
    },
  );
}

/**
 * Sends a batch again while there is time: the server may be restarting, and what it has of the batch already is not written
 * twice. Deadlocks and serialization failures changed nothing.
 */
function createRecorder(client: PostgresClient, limitMs: number): (batch: RecordBatch) => Promise<void> {
  let sinceRemoval = 0;
  return async (batch) => {
    const end = performance.now() + limitMs;
    for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 1000)) {
      try {
        await insertBatch(client, batch);
        break;
      } catch (error) {
        const isWorthwhile = again.test(postgresCode(error)) && performance.now() + pauseMs < end;
        if (!isWorthwhile) throw postgresCode(error) === noSession ? await explained(client, batch, error) : error;
        await sleep(pauseMs);
      }
    }
    if (++sinceRemoval < batchesPerRemoval) return;
    sinceRemoval = 0;
    const oldest = idBefore(new Date(Date.now() - keptBatchesMs));
    // Tried again after as many batches.
    client.query('delete from record_batches where id < $1', [oldest]).catch(() => undefined);
  };
}

/** Which of two reasons there is no session to record for; nothing was written. */
async function explained(
  client: PostgresClient,
  { sessions }: RecordBatch,
  cause: unknown,
): Promise<SessionStoreError> {
  const found = await client.query('select id from sessions where id = any ($1::text[])', [arrayText(sessions)]);
  return found.length === sessions.length ? sessionOverError(cause) : unknownSessionError(cause);
}

async function removeRecords(client: PostgresClient, session: number): Promise<boolean> {
  for (const kind of [`kind = 'd'`, `kind <> 'd'`]) {
    const removed = await client.query(
      `delete from records where ctid = any (array (select ctid from records where session = $1 and ${kind} limit ${removedPerStep}))
       returning 1`,
      [session],
    );
    if (removed.length > 0) return true;
  }
  return false;
}

async function referenced(client: PostgresClient, sha256s: readonly string[]): Promise<string[]> {
  const rows = await client.query(
    `select encode(sha256, 'hex') from (select decode(name, 'hex') as sha256 from unnest($1::text[]) as name) as wanted
     where exists (select from records where records.sha256 = wanted.sha256)
       or exists (select from session_vouchers where session_vouchers.sha256 = wanted.sha256)
       or exists (select from session_catalogs where session_catalogs.sha256 = wanted.sha256)`,
    [arrayText(sha256s)],
  );
  return rows.map(([sha256]) => String(sha256));
}

async function exclusively(client: PostgresClient, work: (session: MigrationSession) => Promise<void>): Promise<void> {
  await client.transaction(async (run) => {
    // Another one's migration may take long, and so may this one.
    await run({ text: 'set local statement_timeout = 0', values: [] });
    await run({ text: `select pg_advisory_xact_lock(${migrationLock})`, values: [] });
    await work({
      // drizzle-kit names the schema `public` in references; the tables live where the search path of the URL points.
      run: async (text) => {
        await run({ text: text.replaceAll('"public".', ''), values: [] });
      },
      rows: (text) => run({ text, values: [] }),
    });
  }, true);
}

async function together(client: PostgresClient, statements: readonly BoundStatement[]): Promise<unknown[][]> {
  let rows: unknown[][] = [];
  await client.transaction(async (run) => {
    for (const { sql, params } of statements) rows = await run({ text: sql, values: params });
  });
  return rows;
}

async function usedBytes(client: PostgresClient): Promise<number> {
  const names = arrayText(stored.map((table) => getTableName(table)));
  const [row] = await client.query(
    'select sum(pg_total_relation_size(name::regclass)) from unnest($1::text[]) as name',
    [names],
  );
  return Number(row?.[0]);
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

/** Of the driver and the operating system; then PostgreSQL's own, appendix A of its manual. */
const unreachable =
  /^(CONNECTION|ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EHOST|ENET|EPIPE|ENOENT)|^(08...|57P0.|57014|53300|25006|40P01|40001)$/;
/** A null where none may be: the only column that a writer can leave empty is the session that it did not find. */
const noSession = '23502';
/** Those that pass by themselves, and soon. */
const again = /^(CONNECTION|ECONN|ETIMEDOUT|EPIPE|ENOENT)|^(08...|57P0.|53300|40P01|40001)$/;

function translatePostgres(error: unknown, place: string): SessionStoreError {
  const cause = innermost(error);
  if (cause instanceof SessionStoreError) return cause;
  const code = postgresCode(cause);
  const said = `${messageOf(cause)}${code ? ` (${code})` : ''}`;
  if (code === noSession) return unknownSessionError(cause);
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
