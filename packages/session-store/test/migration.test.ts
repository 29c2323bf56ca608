import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSessionStore } from '../src/index.js';
import { expectCode } from './conformance/expectations.js';
import { checkOldDatabase, oldDatabase } from './old-schema.js';
import { sessionId } from './records.js';

describe('an SQLite database of 0.1.0', () => {
  let dir: string;
  let path: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-migration-'));
    path = join(dir, 'sessions.sqlite');
    await change(await oldDatabase('sqlite'));
  });

  afterEach(() => rm(dir, { recursive: true }));

  async function change(statements: readonly string[]): Promise<void> {
    const database = new Database(path);
    for (const statement of statements) database.exec(statement);
    database.close();
  }

  it('is brought forward with everything in it', async () => {
    const store = await openSessionStore({ url: `file:${path}` });
    await checkOldDatabase(store);
    await store.close();
  });

  it('stays as it is when migrations are not allowed, or one fails', async () => {
    await expectCode(openSessionStore({ url: `file:${path}`, migrate: false }), 'STORE_MIGRATION_FAILED');
    await change([`update downloads set request_header = 'no JSON' where session_id = '${sessionId('other')}'`]);
    await expectCode(openSessionStore({ url: `file:${path}` }), 'STORE_MIGRATION_FAILED');
    await change([
      `update downloads set request_header = '{"Accept":["*/*"],"X-Twice":["one","two"]}' where request_header = 'no JSON'`,
    ]);
    const store = await openSessionStore({ url: `file:${path}` });
    await checkOldDatabase(store);
    await store.close();
  });

  it('is brought forward once by many who open it together', async () => {
    const stores = await Promise.all(Array.from({ length: 3 }, () => openSessionStore({ url: `file:${path}` })));
    for (const store of stores) expect((await store.listSessions(['open', 'ended'])).length).toBe(2);
    await Promise.all(stores.map((store) => store.close()));
  });
});
