import { afterEach, beforeEach, describe, it } from 'vitest';
import { openSessionStore } from '../src/index.js';
import { expectCode } from './conformance/expectations.js';
import { checkOldDatabase, oldDatabase } from './old-schema.js';
import { createDatabase, serverUrl, type TestDatabase } from './postgres-database.js';

describe('a PostgreSQL database of 0.1.0', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase(serverUrl());
  });

  afterEach(() => database.drop());

  it.each(['public', 'apart'])('is brought forward with everything in it, in the schema %s', async (schema) => {
    await database.run(`create schema if not exists ${schema}`);
    const statements = await oldDatabase('postgres');
    await database.run(`set search_path = ${schema}; ${statements.join(';\n')}`);
    const url = `${database.url}?search_path=${schema}`;
    await expectCode(openSessionStore({ url, migrate: false }), 'STORE_MIGRATION_FAILED');
    const store = await openSessionStore({ url });
    await checkOldDatabase(store);
    await store.close();
  });

  it('is refused, and left alone, when it is newer than this version', async () => {
    const store = await openSessionStore({ url: database.url });
    await store.close();
    await database.run(`insert into waybill_migrations values (${Date.UTC(2100, 0, 1)}, 'abc', 1)`);
    await expectCode(openSessionStore({ url: database.url }), 'STORE_SCHEMA_TOO_NEW');
    await expectCode(openSessionStore({ url: database.url, migrate: false }), 'STORE_SCHEMA_TOO_NEW');
  });
});
