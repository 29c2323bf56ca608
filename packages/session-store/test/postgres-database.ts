import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** A database of its own on a running server. */
export interface TestDatabase {
  readonly url: string;
  /** Runs one statement in the database. */
  run(sql: string): Promise<readonly Record<string, unknown>[]>;
  drop(): Promise<void>;
}

/** The server the lane was given. */
export function serverUrl(): string {
  const url = process.env.WAYBILL_TEST_POSTGRES_URL;
  if (url) return url;
  throw new Error('WAYBILL_TEST_POSTGRES_URL is not set: eval "$(tooling/ci/postgres.sh start)" sets it');
}

export async function createDatabase(server: string): Promise<TestDatabase> {
  const name = `waybill_test_${randomBytes(8).toString('hex')}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  await once(server, `create database ${name}`);
  return {
    url: url.href,
    run: (sql) => once(url.href, sql),
    drop: async () => {
      await once(server, `drop database ${name} with (force)`);
    },
  };
}

export async function once(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
