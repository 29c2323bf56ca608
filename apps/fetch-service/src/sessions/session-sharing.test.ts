import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ActiveSession, type SessionStore, silentLogger } from '@waybill/contracts';
import { openSessionStore } from '@waybill/session-store';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listedSecurity, memoryBlobs, movableClock, noInspectors } from '../../test/fakes.js';
import { createSecretSeal } from './secret-seal.js';
import { loadSessionManager, type SessionManager, type SessionManagerOptions } from './session-manager.js';
import { createSpool } from './spool.js';

/** Two processes, each with its own handle of one store and its own manager. */
let root: string;
let stores: SessionStore[];
let managers: SessionManager[];
let clock: ReturnType<typeof movableClock>;
let overs: string[];
let one: SessionManager;
let two: SessionManager;

const strict = { policy: 'strict', timeoutSeconds: 0 } as const;
const blobs = memoryBlobs();
const soon = { timeout: 5_000, interval: 20 };

async function start(more: Partial<SessionManagerOptions> = {}): Promise<SessionManager> {
  const store = await openSessionStore({ url: pathToFileURL(join(root, 'db')).href });
  const name = stores.push(store);
  const manager = await loadSessionManager({
    store,
    spool: createSpool(join(root, 'spool'), blobs),
    inspectors: noInspectors,
    configuration: { forSession: async () => ({}) },
    isPermissiveAllowed: false,
    isShared: true,
    discardBlobs: async () => {},
    onOver: (how) => void overs.push(`${how} by ${name}`),
    clock,
    logger: silentLogger,
    security: listedSecurity(),
    ...more,
  });
  managers.push(manager);
  return manager;
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'waybill-sharing-'));
  clock = movableClock();
  stores = [];
  managers = [];
  overs = [];
  one = await start();
  two = await start();
});

afterEach(async () => {
  vi.useRealTimers();
  for (const manager of managers) await manager.close();
  for (const store of stores) await store.close();
  await rm(root, { recursive: true });
});

async function active(manager: SessionManager, session: { id: string; token: string }): Promise<ActiveSession> {
  const found = await manager.authenticate(session.id, session.token);
  if (typeof found === 'string') throw new Error(`authentication failed: ${found}`);
  return found;
}

describe('a session that was created on one process', () => {
  it('is usable on all at once, with the right token only', async () => {
    const session = await one.create(strict);
    expect(await active(two, session)).toMatchObject({ id: session.id, policy: 'strict' });
    expect(await two.authenticate(session.id, 'wrong')).toBe('wrong-token');
  });

  it('is listed on all soon', async () => {
    const { id } = await one.create(strict);
    await vi.waitUntil(() => two.live().some((session) => session.id === id), soon);
    expect(JSON.stringify(two.live())).not.toContain('configuration');
  });

  it('brings its secrets along when both have the key, and refuses without it', async () => {
    const key = randomBytes(32);
    const secrets = [{ type: 'basic-auth', url: 'https://git.example:443/**', 'basic-credentials': 'u:very-secret' }];
    const sealing = await start({ seal: createSecretSeal([key]) });
    const session = await sealing.create({ ...strict, secrets });
    expect(JSON.stringify(await stores[0]?.getSession(session.id))).not.toContain('very-secret');
    const rotated = await start({ seal: createSecretSeal([randomBytes(32), key]) });
    const other = await start({ seal: createSecretSeal([randomBytes(32)]) });
    const credentialOf = async (manager: SessionManager) =>
      (await active(manager, session)).credentialFor('https://git.example:443/x');
    expect(await credentialOf(rotated)).toEqual(await credentialOf(sealing));
    expect(await credentialOf(rotated)).toMatchObject({ type: 'header', name: 'Authorization' });
    expect(await credentialOf(other)).toEqual({ type: 'lost' });
    expect(await credentialOf(two)).toEqual({ type: 'lost' });
  });
});

describe('what ends a session on one process', () => {
  it('revocation: transfers of the other stop, and it lets nobody in', async () => {
    const session = await one.create(strict);
    const { signal } = await active(two, session);
    await one.revoke(session.id, session.token);
    await vi.waitUntil(() => signal.aborted, soon);
    expect(await two.authenticate(session.id, session.token)).toBe('revoked');
    expect((await two.report(session.id)).session.state).toBe('revoked');
    const again = await two.revoke(session.id, session.token);
    expect(again.state).toBe('revoked');
    expect(overs).toEqual(['revoked by 1']);
  });

  it('revocation on a process that never saw the session before', async () => {
    const session = await one.create(strict);
    const { signal } = await active(one, session);
    await expect(two.revoke(session.id, 'wrong')).rejects.toMatchObject({ code: 'FETCH_TOKEN_WRONG' });
    await two.revoke(session.id, session.token);
    await vi.waitUntil(() => signal.aborted, soon);
    expect(overs).toEqual(['revoked by 2']);
  });

  it('end and deletion: the other forgets it', async () => {
    const session = await one.create(strict);
    const { signal } = await active(two, session);
    await one.end(session.id);
    await vi.waitUntil(() => signal.aborted, soon);
    // It is revoked on its way, and the other may hear of both one by one.
    await vi.waitUntil(async () => (await two.authenticate(session.id, session.token)) === 'ended', soon);
    await expect(two.report(session.id)).rejects.toMatchObject({ code: 'FETCH_SESSION_UNKNOWN' });
    await two.deleteResources(session.id);
    await vi.waitUntil(() => one.live().length === 0 && two.live().length === 0, soon);
    expect(await readdir(join(root, 'spool'))).toEqual([]);
  });

  it('deletion removes what another replica had written to a spool of its own', async () => {
    const spool = createSpool(join(root, 'other'), blobs);
    const replica = await start({ spool });
    const session = await replica.create(strict);
    await replica.end(session.id);
    expect(await readdir(join(root, 'other'))).toEqual([session.id]);
    await one.deleteResources(session.id);
    await vi.waitUntil(async () => (await readdir(join(root, 'other'))).length === 0, soon);
  });

  it('racing ends: one of them ends it', async () => {
    const session = await one.create(strict);
    await active(two, session);
    const results = await Promise.allSettled([one.end(session.id), two.end(session.id)]);
    expect(results.some(({ status }) => status === 'fulfilled')).toBe(true);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'FETCH_SESSION_UNKNOWN' });
    }
    expect(overs.filter((over) => over.startsWith('ended'))).toHaveLength(1);
    expect(await readdir(join(root, 'spool', session.id))).toEqual(['assets', 'session.json']);
  });

  it('time: it expires once, whoever created it, also when that process is gone', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    const session = await one.create({ ...strict, timeoutSeconds: 3600 });
    const { signal } = await active(two, session);
    await vi.waitUntil(() => two.live().length === 1, soon);
    await one.close();
    clock.advance(3_600_000);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(signal.aborted).toBe(true);
    await vi.waitUntil(() => overs.length > 0, soon);
    expect(overs).toEqual(['expired by 2']);
    expect(await two.authenticate(session.id, session.token)).toBe('expired');
  });

  it('time: of two that notice, one moves it and writes its files', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    const session = await one.create({ ...strict, timeoutSeconds: 60 });
    await active(two, session);
    clock.advance(60_000);
    await vi.advanceTimersByTimeAsync(60_000);
    await vi.waitUntil(() => overs.length > 0, soon);
    expect((await one.report(session.id)).session.state).toBe('expired');
    expect((await two.report(session.id)).session.state).toBe('expired');
    expect(overs).toHaveLength(1);
    await vi.waitUntil(() => readdir(join(root, 'spool', session.id)).catch(() => undefined), soon);
  });
});

describe('guessing', () => {
  it('does not reach the store for every guess', async () => {
    const store = stores[1] as SessionStore;
    const asked = vi.spyOn(store, 'getSession');
    for (let n = 0; n < 20; n++) expect(await two.authenticate('f'.repeat(32), 'token')).toBe('unknown');
    for (const id of ['../etc', '__proto__', 'A', '', 'x'.repeat(65)]) {
      expect(await two.authenticate(id, 'token')).toBe('unknown');
    }
    expect(asked).toHaveBeenCalledTimes(1);
  });
});

describe('a store that cannot be read', () => {
  it('does not let anybody in, and is asked again', async () => {
    const store = stores[1] as SessionStore;
    const session = await one.create(strict);
    const asked = vi.spyOn(store, 'getSession').mockRejectedValue(new Error('the database is gone'));
    await expect(two.authenticate(session.id, session.token)).rejects.toThrow('the database is gone');
    asked.mockRestore();
    expect(await active(two, session)).toMatchObject({ id: session.id });
  });
});
