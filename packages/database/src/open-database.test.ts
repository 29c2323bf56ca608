import { createHash } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from './open-database.js';

function migration(year: number, ...statements: string[]) {
  const digest = createHash('sha256').update(statements.join(';')).digest('hex');
  return { made: Date.UTC(year, 0, 1), digest, statements };
}

const first = migration(2026, 'create table numbers (number bigint primary key)');
const options = { migrations: () => [first], migrationsTable: 'test_migrations', what: 'test' };

describe('an SQLite database', { timeout: 60_000 }, () => {
  let dir: string;
  let url: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-database-'));
    url = `file:${join(dir, 'test.sqlite')}`;
  });

  afterEach(() => rm(dir, { recursive: true }));

  it.each(['file', 'memory'])('keeps what a transaction wrote, and nothing of one that failed (%s)', async (kind) => {
    const database = await openDatabase({ ...options, url: kind === 'file' ? url : ':memory:' });
    const answer = await database.transaction(async ({ rows }) => {
      await rows('insert into numbers values (?), (?)', [1, 2]);
      return await rows('select count(*) from numbers');
    });
    expect(answer).toEqual([[2]]);
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
    expect(await database.rows('select number from numbers order by 1')).toEqual([[1], [2]]);
    await database.close();
  });

  it.each(['file', 'memory'])(
    'shows nobody what is not committed, and runs transactions in turn (%s)',
    async (kind) => {
      const database = await openDatabase({ ...options, url: kind === 'file' ? url : ':memory:' });
      let running = 0;
      const work = Array.from({ length: 10 }, (_, number) =>
        database.transaction(async ({ rows }) => {
          expect(++running).toBe(1);
          await rows('insert into numbers values (?)', [number]);
          await rows('insert into numbers values (?)', [100 + number]);
          running--;
        }),
      );
      const looks = Array.from({ length: 30 }, () => database.rows('select count(*) % 2 from numbers'));
      for (const look of await Promise.all(looks)) expect(look).toEqual([[0]]);
      await Promise.all(work);
      expect(await database.rows('select count(*) from numbers')).toEqual([[20]]);
      await database.close();
    },
  );

  it('is private, and there again after closing', async () => {
    const before = await openDatabase({ ...options, url });
    await before.transaction(({ rows }) => rows('insert into numbers values (7)'));
    await before.close();
    expect(((await stat(join(dir, 'test.sqlite'))).mode & 0o777).toString(8)).toBe('600');
    const after = await openDatabase({ ...options, url });
    expect(await after.rows('select number from numbers')).toEqual([[7]]);
    await after.close();
    await expect(after.rows('select 1')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await expect(after.transaction(({ rows }) => rows('select 1'))).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });

  it('is migrated once, by one of many', async () => {
    await (await openDatabase({ ...options, url })).close();
    const second = migration(2027, 'alter table numbers add column name text', `insert into numbers values (1, 'one')`);
    const newer = { ...options, url, migrations: () => [first, second] };
    await expect(openDatabase({ ...newer, migrate: false })).rejects.toMatchObject({ code: 'STORE_MIGRATION_FAILED' });
    const opened = await Promise.all(Array.from({ length: 3 }, () => openDatabase(newer)));
    for (const database of opened) expect(await database.rows('select name from numbers')).toEqual([['one']]);
    await Promise.all(opened.map((database) => database.close()));
    await expect(openDatabase({ ...options, url })).rejects.toMatchObject({ code: 'STORE_SCHEMA_TOO_NEW' });
  });

  it('stays as it was when a migration fails', async () => {
    const broken = migration(2027, 'create table more (id bigint)', 'create nonsense');
    await (await openDatabase({ ...options, url })).close();
    const failing = openDatabase({ ...options, url, migrations: () => [first, broken] });
    await expect(failing).rejects.toMatchObject({ code: 'STORE_MIGRATION_FAILED' });
    const database = await openDatabase({ ...options, url });
    expect(await database.rows(`select name from sqlite_master where name = 'more'`)).toEqual([]);
    await database.close();
  });

  it('says what is wrong with its URL or file', async () => {
    for (const wrong of ['mysql://host/database', 'nothing', 'file:']) {
      await expect(openDatabase({ ...options, url: wrong })).rejects.toMatchObject({ code: 'STORE_FAILED' });
    }
    await writeFile(join(dir, 'test.sqlite'), 'this is no database, '.repeat(100));
    await expect(openDatabase({ ...options, url })).rejects.toMatchObject({
      code: 'STORE_FAILED',
      hint: 'this file is not a test database: choose another path',
    });
    await writeFile(join(dir, 'file'), '');
    await expect(openDatabase({ ...options, url: `file:${dir}/file/below.sqlite` })).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });
  });
});
