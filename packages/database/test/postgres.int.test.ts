import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../src/index.js';

const migrations = () => [
  {
    made: Date.UTC(2026, 0, 1),
    digest: 'first',
    statements: ['create table numbers (number bigint primary key, name text)'],
  },
];

describe('a PostgreSQL database', () => {
  let name: string;
  let database: Database;

  async function once(sql: string): Promise<void> {
    const url = process.env.WAYBILL_TEST_POSTGRES_URL;
    if (!url) throw new Error('WAYBILL_TEST_POSTGRES_URL is not set: eval "$(tooling/ci/postgres.sh start)" sets it');
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  }

  beforeEach(async () => {
    name = `waybill_database_${randomBytes(8).toString('hex')}`;
    await once(`create database ${name}`);
    const url = new URL(process.env.WAYBILL_TEST_POSTGRES_URL ?? '');
    url.pathname = `/${name}`;
    database = await openDatabase({ url: url.href, migrations, migrationsTable: 'test_migrations', what: 'test' });
  });

  afterEach(async () => {
    await database.close();
    await once(`drop database ${name} with (force)`);
  });

  it('keeps what a transaction wrote, and nothing of one that failed', async () => {
    await database.transaction(({ rows }) => rows('insert into numbers values (?, ?), (?, null)', [1, 'one', 2]));
    const failure = new Error('mine');
    const failing = database.transaction(async ({ rows }) => {
      await rows('insert into numbers values (3)');
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    const refused = database.transaction(async ({ rows }) => {
      await rows('insert into numbers values (4)');
      await rows('insert into numbers values (1)');
    });
    await expect(refused).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(await database.rows('select number, name from numbers order by 1')).toEqual([
      ['1', 'one'],
      ['2', null],
    ]);
  });

  it('does again what ended in a deadlock', async () => {
    await database.transaction(({ rows }) => rows(`insert into numbers values (1, ''), (2, '')`));
    let attempts = 0;
    let arrived = 0;
    let meet: () => void = () => undefined;
    const met = new Promise<void>((resolve) => {
      meet = resolve;
    });
    const work = (order: readonly number[]) =>
      database.transaction(async ({ rows }) => {
        attempts += 1;
        await rows(`update numbers set name = name || 'x' where number = ?`, [order[0]]);
        if (++arrived === 2) meet();
        await met;
        await rows(`update numbers set name = name || 'x' where number = ?`, [order[1]]);
      });
    await Promise.all([work([1, 2]), work([2, 1])]);
    expect(attempts).toBe(3);
    expect(await database.rows('select name from numbers')).toEqual([['xx'], ['xx']]);
  });

  it('goes on when the server has cut its connections', async () => {
    await once(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);
    await expect.poll(() => database.rows('select 1').catch(() => undefined), { timeout: 20_000 }).toEqual([[1]]);
  });
});
