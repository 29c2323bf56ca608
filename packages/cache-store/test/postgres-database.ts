import { randomBytes } from 'node:crypto';
import { openDatabase } from '@waybill/database';

/** A database of its own on the server that the lane was given. */
export async function createDatabase(): Promise<{ readonly url: string; remove(): Promise<void> }> {
  const server = process.env.WAYBILL_TEST_POSTGRES_URL;
  if (!server) {
    throw new Error('WAYBILL_TEST_POSTGRES_URL is not set: eval "$(tooling/ci/postgres.sh start)" sets it');
  }
  const name = `waybill_cache_${randomBytes(8).toString('hex')}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  await run(server, `create database ${name}`);
  return { url: url.href, remove: () => run(server, `drop database ${name} with (force)`) };
}

async function run(url: string, sql: string): Promise<void> {
  // An empty schema: what is wanted is the connection.
  const database = await openDatabase({
    url,
    migrations: () => [],
    migrationsTable: 'waybill_test_migrations',
    what: 'test',
  });
  try {
    await database.rows(sql);
  } finally {
    await database.close();
  }
}
