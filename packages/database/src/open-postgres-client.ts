import { DatabaseError } from './errors.js';
import type { MigrationSession } from './migrate.js';
import type { PostgresClient } from './postgres-client.js';
import { describePostgres, translatePostgres } from './postgres-errors.js';

/** Any fixed number: everybody who migrates takes the same advisory lock. */
const migrationLock = 7_236_118_251;

/**
 * Connects to PostgreSQL; broken connections are replaced when they are next needed. The driver is loaded only here.
 * @param limitMs longest wait for an answer
 * @throws DatabaseError STORE_UNAVAILABLE, STORE_FAILED
 */
export async function openPostgresClient(url: string, limitMs: number): Promise<PostgresClient> {
  const { PostgresClient } = await import('./postgres-client.js');
  const client = new PostgresClient(url, limitMs);
  try {
    await checkServer(client);
    return client;
  } catch (error) {
    await client.close();
    throw translatePostgres(error, describePostgres(url));
  }
}

/** A server that acknowledges before it has written would break the promise that what is recorded is durable. */
async function checkServer(client: PostgresClient): Promise<void> {
  const [settings] = await client.query(
    `select current_setting('synchronous_commit'), current_setting('transaction_read_only')`,
  );
  if (settings?.[1] === 'on') {
    throw new DatabaseError('STORE_UNAVAILABLE', 'PostgreSQL takes no changes: it is read-only', {
      hint: 'connect to the primary server, not to a standby',
    });
  }
  if (settings?.[0] !== 'off') return;
  throw new DatabaseError('STORE_FAILED', 'PostgreSQL acknowledges before it has written: synchronous_commit is off', {
    hint: 'set it to on, at least for this user: ALTER ROLE … SET synchronous_commit = on',
  });
}

/** A transaction that nobody else who migrates can be in at the same time. */
export async function exclusivelyInPostgres(
  client: PostgresClient,
  work: (session: MigrationSession) => Promise<void>,
): Promise<void> {
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
