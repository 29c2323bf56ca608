import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SessionStore } from '@waybill/contracts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSessionStore } from '../src/index.js';
import { expectCode } from './conformance/expectations.js';
import { createDatabase, once, type TestDatabase } from './postgres-database.js';
import { download, refusal, session, sessionId } from './records.js';

const script = fileURLToPath(new URL('../../../tooling/ci/postgres.sh', import.meta.url));
const mebibyte = 1024 * 1024;

/** A server of this file's own: others must not notice when it is stopped. */
describe('PostgreSQL in trouble', () => {
  let server: string;
  let directory: string;
  let database: TestDatabase;
  let store: SessionStore;
  const id = sessionId('one');

  beforeAll(() => {
    const printed = execFileSync(script, ['start'], { encoding: 'utf8' });
    const read = (name: string) => new RegExp(`${name}=(.*)`).exec(printed)?.[1] ?? '';
    server = read('WAYBILL_TEST_POSTGRES_URL');
    directory = read('WAYBILL_TEST_POSTGRES_DIR');
  });

  afterAll(() => {
    execFileSync(script, ['stop', directory]);
  });

  beforeEach(async () => {
    database = await createDatabase(server);
    store = await openSessionStore({ url: database.url });
    await store.createSession(session(id));
  });

  afterEach(async () => {
    await store.close();
    await database.drop();
  });

  function control(...args: string[]): void {
    const asServer = process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--'] : [];
    const [program = '', ...rest] = [...asServer, 'pg_ctl', `--pgdata=${directory}/data`, '--wait', ...args];
    execFileSync(program, rest, { cwd: directory, stdio: 'ignore' });
  }

  function start(): void {
    const { port } = new URL(server);
    const options = `-c listen_addresses=127.0.0.1 -c port=${port} -c unix_socket_directories= -c fsync=off`;
    control(`--log=${directory}/server.log`, `--options=${options}`, 'start');
  }

  it('is reported as unavailable while it is down, and works again with the same store', async () => {
    await store.close();
    store = await openSessionStore({ url: database.url, answerLimitMs: 2_000 });
    await store.record([download(id, 'before')]);
    control('--mode=immediate', 'stop');
    try {
      for (const attempt of [
        () => store.record([download(id, 'during')]),
        () => store.ping(),
        () => store.getSession(id),
        () => store.transition(id, 'revoked', new Date()),
      ]) {
        const failure = await attempt().catch((error: unknown) => error);
        expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE', hint: expect.any(String) });
        expect(String(failure)).not.toContain(new URL(server).password);
      }
    } finally {
      start();
    }
    await eventually(() => store.ping());
    await store.record([download(id, 'after')]);
    expect(await store.counts(id)).toMatchObject({ artifacts: 2, downloads: 2 });
    expect((await store.getSession(id))?.state).toBe('open');
  });

  it('loses no record and writes none twice while it is restarted', async () => {
    let recorded = 0;
    let isOver = false;
    const recording = Promise.all(
      Array.from({ length: 4 }, async (_, writer) => {
        for (let at = 0; !isOver; at++) {
          await store.record([download(id, `${writer} ${at}`), refusal(id)]);
          recorded++;
        }
      }),
    );
    for (const mode of ['immediate', 'fast']) {
      const before = recorded;
      while (recorded < before + 20) await sleep(5);
      control(`--mode=${mode}`, 'stop');
      start();
    }
    const before = recorded;
    while (recorded < before + 20) await sleep(5);
    isOver = true;
    await recording;
    expect(await store.counts(id)).toMatchObject({ artifacts: recorded, downloads: recorded, refusals: recorded });
  });

  it('fails or keeps each record as a whole when it stops in the middle', async () => {
    await store.close();
    store = await openSessionStore({ url: database.url, answerLimitMs: 2_000 });
    const acknowledged: string[] = [];
    const recording = (async () => {
      for (let count = 0; ; count++) {
        const name = `body ${count}`;
        await store.record(Array.from({ length: 20 }, (_, at) => download(id, `${name}.${at}`)));
        acknowledged.push(name);
      }
    })();
    const ended = expectCode(recording, 'STORE_UNAVAILABLE');
    while (acknowledged.length < 5) await sleep(5);
    control('--mode=immediate', 'stop');
    await ended;
    start();
    await eventually(() => store.ping());
    const { downloads } = await store.counts(id);
    expect(downloads % 20).toBe(0);
    expect(downloads / 20).toBeGreaterThanOrEqual(acknowledged.length);
  });

  it('survives that all its connections are cut', async () => {
    await Promise.all(Array.from({ length: 8 }, () => store.counts(id)));
    await once(server, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'waybill'`);
    await eventually(() => store.ping());
    await store.record([download(id, 'after')]);
    expect((await store.counts(id)).artifacts).toBe(1);
  });

  it('finishes deletions that a process which was killed has begun', async () => {
    await store.record(Array.from({ length: 1_200 }, (_, at) => download(id, `body ${at}`)));
    await store.record(Array.from({ length: 1_200 }, () => refusal(id)));
    await store.close();
    await database.run('update sessions set id = null');
    store = await openSessionStore({ url: database.url });
    await store.close();
    const [left] = await database.run(
      'select (select count(*) from sessions) + (select count(*) from records) + (select count(*) from session_vouchers) as rows',
    );
    expect(left).toEqual({ rows: '0' });
  });

  it('is unavailable while it is read-only', async () => {
    const name = new URL(database.url).pathname.slice(1);
    await once(server, `alter database ${name} set default_transaction_read_only = on`);
    const standby = await openSessionStore({ url: database.url }).catch((error: unknown) => error);
    expect(standby).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('is refused when it acknowledges before it has written', async () => {
    const name = new URL(database.url).pathname.slice(1);
    await once(server, `alter database ${name} set synchronous_commit = off`);
    await expect(openSessionStore({ url: database.url })).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('synchronous_commit'),
    });
  });

  it('is told apart from a wrong password or database, which are never repeated', async () => {
    for (const [part, value] of [
      ['password', 'wrong-secret'],
      ['pathname', '/absent'],
    ] as const) {
      const url = new URL(database.url);
      url[part] = value;
      const failure = await openSessionStore({ url: url.href }).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'STORE_FAILED', hint: expect.stringContaining('URL') });
      expect(String(failure)).not.toContain(url.password);
    }
  });

  it('says when it is full, keeps what it has, and goes on once there is room', async () => {
    const mount = mkdtempSync(join(tmpdir(), 'waybill-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${14 * mebibyte},mode=0777`, 'waybill-test', mount]);
    const small = `small_${process.pid}`;
    try {
      execFileSync('mkdir', ['-m', '700', join(mount, 'space')]);
      if (process.getuid?.() === 0) execFileSync('chown', ['postgres', join(mount, 'space')]);
      await once(server, `create tablespace ${small} location '${join(mount, 'space')}'`);
      await once(server, `create database ${small} tablespace ${small}`);
      const url = Object.assign(new URL(server), { pathname: `/${small}` }).href;
      const full = await openSessionStore({ url });
      await full.createSession(session(id));
      let taken = 0;
      const failure = await (async () => {
        // Noise, because PostgreSQL compresses long values.
        for (; ; taken++) await full.record([download(id, `body ${taken}`, { userAgent: noise(100_000) })]);
      })().catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'STORE_FULL', hint: expect.stringContaining('free space') });
      expect(taken).toBeGreaterThan(5);
      expect((await full.counts(id)).downloads).toBe(taken);
      execFileSync('mount', ['-o', `remount,size=${40 * mebibyte}`, mount]);
      await full.record([download(id, 'later', { userAgent: noise(100_000) })]);
      expect((await full.counts(id)).downloads).toBe(taken + 1);
      await full.close();
      await once(server, `drop database ${small} with (force)`);
      await once(server, `drop tablespace ${small}`);
    } finally {
      execFileSync('umount', [mount]);
      rmdirSync(mount);
    }
  });

  it('keeps tables where the search path points', async () => {
    await database.run('create schema apart');
    const apart = await openSessionStore({ url: `${database.url}?search_path=apart` });
    await apart.createSession(session(sessionId('apart')));
    expect((await apart.listSessions(['open'])).map((entry) => entry.id)).toEqual([sessionId('apart')]);
    expect((await store.listSessions(['open'])).map((entry) => entry.id)).toEqual([id]);
    await apart.record([download(sessionId('apart'), 'body')]);
    await expectCode(apart.record([download(id, 'body')]), 'STORE_SESSION_UNKNOWN');
    await apart.close();
  });
});

function noise(length: number): string {
  let text = '';
  while (text.length < length) text += crypto.randomUUID();
  return text.slice(0, length);
}

/** A server that was just started may still refuse for a moment. */
async function eventually(work: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      if (attempt === 50) throw error;
      await sleep(100);
    }
  }
}
