import { DatabaseError, openDatabase, type StatementRunner } from '@waybill/database';
import { describe, expect, it } from 'vitest';
import { missingError } from '../errors.js';
import { listsOf } from './lists.js';
import { cacheMigrations, migrationsTable } from './schema.js';
import { WriteQueue } from './write-queue.js';

function openIndex() {
  return openDatabase({ url: ':memory:', migrations: cacheMigrations, migrationsTable, what: 'cache' });
}

/** Notes a namespace, by a statement of its own. */
function insertion(name: string) {
  return {
    namespaces: [],
    run: (transaction: StatementRunner) =>
      transaction.rows('insert into cache_namespaces (name) values (?) returning name', [name]),
  };
}

describe('a queue of writes', { timeout: 60_000 }, () => {
  it('lets those that come together share a transaction, and each hear its own answer', async () => {
    const database = await openIndex();
    let transactions = 0;
    const counting: typeof database = {
      dialect: 'sqlite',
      rows: (sql, params) => database.rows(sql, params),
      transaction: (work) => {
        transactions += 1;
        return database.transaction(work);
      },
      close: () => database.close(),
    };
    const queue = new WriteQueue(counting, listsOf('sqlite'), Date.now);
    const names = Array.from({ length: 20 }, (_, at) => `n${at}`);
    const answers = await Promise.all(names.map((name) => queue.run(insertion(name))));
    expect(answers.flat(2)).toEqual(names);
    expect(transactions).toBe(1);
    await queue.close();
    await expect(queue.run(insertion('late'))).rejects.toMatchObject({ code: 'CACHE_CLOSED' });
    await database.close();
  });

  it('lets nobody suffer for one that fails or is refused', async () => {
    const database = await openIndex();
    const queue = new WriteQueue(database, listsOf('sqlite'), Date.now);
    const refusal = { namespaces: [], run: () => Promise.reject(missingError({ sha256: 'x', size: 1 })) };
    const results = await Promise.allSettled([
      queue.run(insertion('a')),
      queue.run(insertion('a')),
      queue.run(refusal),
      queue.run(insertion('b')),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'STORE_FAILED' } });
    expect(results[2]).toMatchObject({ reason: { code: 'CACHE_BLOB_MISSING' } });
    expect(await database.rows('select name from cache_namespaces order by name')).toEqual([['a'], ['b']]);
    await queue.close();
    await database.close();
  });

  it('asks a database that is away once, not once for each that waits', async () => {
    let asked = 0;
    const away = new DatabaseError('STORE_UNAVAILABLE', 'away');
    const database = {
      dialect: 'sqlite',
      rows: () => Promise.reject(away),
      transaction: () => {
        asked += 1;
        return Promise.reject(away);
      },
      close: async () => undefined,
    } as const;
    const queue = new WriteQueue(database, listsOf('sqlite'), Date.now);
    const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => queue.run(insertion(name))));
    for (const result of results) expect(result).toMatchObject({ reason: away });
    expect(asked).toBe(1);
    await queue.close();
  });
});
