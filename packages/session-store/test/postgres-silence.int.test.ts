import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionStore } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSessionStore } from '../src/index.js';
import { expectCode } from './conformance/expectations.js';
import { createDatabase, serverUrl, type TestDatabase } from './postgres-database.js';
import { download, moment, refusal, session, sessionId } from './records.js';
import { startTcpRelay, type TcpRelay } from './tcp-relay.js';

const answerLimitMs = 1_500;

describe('PostgreSQL behind a network that fails', () => {
  let database: TestDatabase;
  let relay: TcpRelay;
  let url: string;
  let store: SessionStore;
  const id = sessionId('one');

  beforeEach(async () => {
    database = await createDatabase(serverUrl());
    const { hostname, port } = new URL(database.url);
    relay = await startTcpRelay({ host: hostname, port: Number(port) });
    url = Object.assign(new URL(database.url), { port: String(relay.port) }).href;
    store = await openSessionStore({ url, answerLimitMs });
    await store.createSession(session(id));
  });

  afterEach(async () => {
    relay.mode = 'pass';
    await store.close();
    await relay.close();
    await database.drop();
  });

  it('is unavailable in bounded time while it does not answer, and works again with the same store', async () => {
    await Promise.all(Array.from({ length: 8 }, () => store.counts(id)));
    relay.mode = 'swallow';
    const attempts = [
      ...Array.from({ length: 20 }, (_, at) => store.record([download(id, `during ${at}`)])),
      ...Array.from({ length: 12 }, () => store.getSession(id)),
      store.transition(id, 'revoked', moment()),
      store.ping(),
    ];
    for (const attempt of await Promise.allSettled(attempts)) {
      expect(attempt).toMatchObject({
        status: 'rejected',
        reason: { code: 'STORE_UNAVAILABLE', hint: expect.any(String) },
      });
    }
    relay.mode = 'pass';
    await store.record([download(id, 'after')]);
    expect(await store.counts(id)).toMatchObject({ artifacts: 1, downloads: 1 });
    expect((await store.getSession(id))?.state).toBe('open');
  });

  it('cannot be opened while it does not answer, which is said in bounded time', async () => {
    relay.mode = 'swallow';
    const failure = await openSessionStore({ url, answerLimitMs }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(String(failure)).not.toContain(new URL(url).password);
  });

  it('has each record once although the answer to the commit was lost', async () => {
    for (let round = 0; round < 5; round++) {
      const { lost } = relay;
      const name = `round ${round}`;
      await store.ping();
      relay.mode = 'lose-answer';
      const recorded = store.record([
        download(id, name, { result: 'Rejected', delivery: 'withheld', refusal: refusal(id) }),
        ...Array.from({ length: 2_500 }, (_, at) => download(id, `${name} ${at}`)),
      ]);
      await vi.waitFor(() => expect(relay.lost).toBeGreaterThan(lost), { timeout: 5_000, interval: 1 });
      relay.mode = 'pass';
      await recorded;
      expect(await store.counts(id)).toMatchObject({ downloads: (round + 1) * 2_501, refusals: round + 1 });
    }
  });

  it('tells of changes again after the connection that listens was cut', async () => {
    const other = await openSessionStore({ url: database.url });
    const told: string[] = [];
    await store.watch((change) => told.push(change.kind === 'session' ? change.id : change.kind));
    relay.mode = 'swallow';
    await other.createSession(session(sessionId('during')));
    await sleep(answerLimitMs + 500);
    relay.mode = 'pass';
    await vi.waitFor(() => expect(told.includes(sessionId('during')) || told.includes('resync')).toBe(true), {
      timeout: 10_000,
    });
    await other.createSession(session(sessionId('after')));
    await vi.waitFor(() => expect(told).toContain(sessionId('after')), { timeout: 5_000 });
    await other.close();
  });

  it('closes in bounded time while it does not answer', async () => {
    relay.mode = 'swallow';
    const asked = expectCode(store.getSession(id), 'STORE_UNAVAILABLE');
    await store.close();
    await asked;
  });
});
