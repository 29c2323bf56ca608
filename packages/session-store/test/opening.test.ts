import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { SessionStore } from '@waybill/contracts';
import { runProgram, sourceArguments } from '@waybill/testkit';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSessionStore } from '../src/index.js';
import { all, expectCode } from './conformance/expectations.js';
import { catalog, download, refusal, session, sessionId, sha } from './records.js';

describe('opening a session store', () => {
  let dir: string;
  let path: string;
  const opened: SessionStore[] = [];
  const id = sessionId('one');

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-sessions-'));
    path = join(dir, 'sessions.sqlite');
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    await rm(dir, { recursive: true });
  });

  async function open(url = `file:${path}`, migrate = true): Promise<SessionStore> {
    const store = await openSessionStore({ url, migrate });
    opened.push(store);
    return store;
  }

  /** Changes the database from outside. */
  function alter(sql: string): void {
    const database = new Database(path);
    database.exec(sql);
    database.close();
  }

  it('keeps sessions in a private file, in a directory it makes', async () => {
    const nested = join(dir, 'a', 'b', 'sessions.sqlite');
    const store = await open(`file:${nested}`);
    await store.createSession(session(id));
    expect((await stat(join(dir, 'a'))).mode & 0o777).toBe(0o700);
    const files = await readdir(join(dir, 'a', 'b'));
    expect(files).toContain('sessions.sqlite-wal');
    for (const file of files) expect((await stat(join(dir, 'a', 'b', file))).mode & 0o777, file).toBe(0o600);
    await store.close();
    await chmod(nested, 0o644);
    await open(`file://${nested}`);
    expect((await stat(nested)).mode & 0o777).toBe(0o600);
  });

  it('takes relative paths, and names with blanks', async () => {
    const file = join(dir, 'with blank & percent %41.sqlite');
    const store = await open(`file:${relative(process.cwd(), file)}`);
    await store.createSession(session(id));
    expect(await readdir(dir)).toContain('with blank & percent %41.sqlite');
  });

  it.each([':memory:', 'file::memory:'])('keeps sessions in memory for %s', async (url) => {
    const [one, other] = [await open(url), await open(url)];
    await one.createSession(session(id));
    await one.record([download(id, 'body')]);
    expect(await one.counts(id)).toMatchObject({ artifacts: 1, downloads: 1 });
    expect(await other.getSession(id)).toBeUndefined();
    expect(await readdir(dir)).toEqual([]);
  });

  it.each([
    '',
    'sessions.sqlite',
    'file:',
    'mysql://user:secret@host/db',
    'https://registry.example/',
    'file://elsewhere/x',
  ])('refuses the URL %j without repeating secrets', async (url) => {
    const failure = await openSessionStore({ url }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'STORE_FAILED', hint: expect.any(String) });
    expect(String(failure)).not.toContain('secret');
  });

  it('says what is in the way', async () => {
    await mkdir(join(dir, 'directory'));
    await writeFile(join(dir, 'text'), 'this is not a database, and long enough to be taken for one'.repeat(20));
    await writeFile(join(dir, 'file'), '');
    for (const name of ['directory', 'text', join('file', 'below')]) {
      await expect(openSessionStore({ url: `file:${join(dir, name)}` })).rejects.toMatchObject({
        code: 'STORE_FAILED',
        message: expect.stringContaining(join(dir, name)),
        hint: expect.any(String),
      });
    }
  });

  it('waits until PostgreSQL can be reached, but not forever', async () => {
    const failure = await openSessionStore({ url: 'postgres://user:secret@127.0.0.1:1/db' }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('127.0.0.1:1/db') });
    expect(String(failure)).not.toContain('secret');
  });

  it('refuses a schema that is newer than it knows, and leaves it alone', async () => {
    await (await open()).close();
    alter(`insert into waybill_migrations values (${Date.UTC(2100, 0, 1)}, 'abc', 1)`);
    await expectCode(open(), 'STORE_SCHEMA_TOO_NEW');
    await expectCode(open(undefined, false), 'STORE_SCHEMA_TOO_NEW');
  });

  it('refuses a schema with a history that is not its own', async () => {
    await (await open()).close();
    alter(`update waybill_migrations set digest = 'other'`);
    await expectCode(open(), 'STORE_MIGRATION_FAILED');
    alter(`update waybill_migrations set made = 1 where made = (select min(made) from waybill_migrations)`);
    await expectCode(open(), 'STORE_MIGRATION_FAILED');
  });

  it('changes nothing when a migration fails', async () => {
    alter('create table downloads (mine text)');
    await expectCode(open(), 'STORE_MIGRATION_FAILED');
    const database = new Database(path);
    const names = database.prepare("select name from sqlite_master where type = 'table'").raw().all([]);
    database.close();
    expect(names).toEqual([['downloads']]);
  });

  it('makes no change when it may not', async () => {
    await expectCode(open(undefined, false), 'STORE_MIGRATION_FAILED');
    await (await open()).close();
    await (await open(undefined, false)).ping();
  });

  it('finishes deletions that a process which was killed has begun', async () => {
    const other = sessionId('other');
    const store = await open();
    for (const of of [id, other]) {
      await store.createSession(session(of));
      await store.record(
        Array.from({ length: 600 }, (_, at) => [
          download(of, `body ${at}`, { provides: [catalog(`index ${at}`)] }),
          refusal(of, { sha256: sha(`refused ${at}`) }),
        ]).flat(),
      );
    }
    expect((await store.counts(id)).downloads).toBe(600);
    await store.close();
    alter(`update sessions set id = null where id = '${id}'`);
    const reopened = await open();
    expect(await reopened.getSession(id)).toBeUndefined();
    // Waits for what was begun, which the removal is.
    await reopened.close();
    const database = new Database(path);
    const rows = (table: string) => database.prepare(`select count(*) as rows from ${table}`).get() as { rows: number };
    expect(rows('sessions').rows).toBe(1);
    expect(rows('records').rows).toBe(1200);
    expect(rows('indexed_downloads').rows).toBe(600);
    expect(rows('session_catalogs').rows).toBe(600);
    expect(rows('session_vouchers').rows).toBe(1);
    database.close();
    expect(await (await open()).counts(other)).toEqual({ artifacts: 600, downloads: 600, refusals: 600, bytes: 4690 });
  });

  it('reads everything while it cannot write', { timeout: 60_000 }, async () => {
    const store = await open();
    await store.createSession(session(id));
    await store.record(Array.from({ length: 700 }, (_, at) => download(id, `body ${at % 350}`)));
    const database = new Database(path);
    database.exec('begin immediate');
    expect((await all(store.artifacts(id))).map((artifact) => artifact.downloads.length)).toEqual(Array(350).fill(2));
    expect(await store.counts(id)).toMatchObject({ artifacts: 350, downloads: 700 });
    database.exec('rollback');
    database.close();
  });

  it('is told when another process holds the database', { timeout: 30_000 }, async () => {
    const store = await open();
    await store.createSession(session(id));
    const database = new Database(path);
    database.exec('begin immediate');
    try {
      const failure = await store.record([download(id, 'body')]).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    } finally {
      database.exec('rollback');
      database.close();
    }
    await store.record([download(id, 'body')]);
    expect((await store.counts(id)).downloads).toBe(1);
  });

  it('lets the process end, closed or not', { timeout: 30_000 }, async () => {
    for (const args of [['closed'], []]) {
      const program = sourceArguments(new URL('exit-child.ts', import.meta.url));
      const { code, stdout, stderr } = await runProgram(process.execPath, [...program, `file:${path}`, ...args]);
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'end', stderr: '' });
    }
    expect((await (await open()).listSessions(['open'])).length).toBe(2);
  });

  it('keeps parameters of a failed query out of its error', async () => {
    const store = await open();
    alter('drop table sessions');
    const failure = (await store.createSession(session(id)).catch((error: unknown) => error)) as Error;
    expect(failure).toMatchObject({ code: 'STORE_FAILED' });
    for (let error: unknown = failure; error instanceof Error; error = error.cause) {
      expect(`${error.message} ${error.stack}`).not.toContain(session(id).tokenDigest);
    }
  });
});
