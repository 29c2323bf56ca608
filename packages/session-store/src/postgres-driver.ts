import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BoundStatement,
  describePostgres,
  exclusivelyInPostgres,
  isPassingFailure,
  openPostgresClient,
  type PostgresClient,
  postgresCode,
  translatePostgres as translateServer,
} from '@waybill/database';
import { getTableName, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/pg-proxy';
import type { Driver, Tables } from './driver.js';
import { innermost, SessionStoreError, sessionOverError, toSessionStoreError, unknownSessionError } from './errors.js';
import { idBefore } from './ids.js';
import { arrayText, insertBatch } from './postgres-records.js';
import type { RecordBatch } from './record-batch.js';
import { recordBatches, tables } from './schema/postgres.js';

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
  const place = describePostgres(url);
  const translate = (error: unknown) => translatePostgres(error, place);
  const client = await openPostgresClient(url, limitMs).catch((error: unknown) => {
    throw translate(error);
  });
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
    exclusively: (work) => exclusivelyInPostgres(client, work),
    usedBytes: () => usedBytes(client),
    translate,
    close: () => client.close(),
  };
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
        const isWorthwhile = isPassingFailure(error) && performance.now() + pauseMs < end;
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

/** A null where none may be: the only column that a writer can leave empty is the session that it did not find. */
const noSession = '23502';

function translatePostgres(error: unknown, place: string): SessionStoreError {
  const cause = innermost(error);
  if (cause instanceof SessionStoreError) return cause;
  if (postgresCode(cause) === noSession) return unknownSessionError(cause);
  return toSessionStoreError(translateServer(cause, place));
}
