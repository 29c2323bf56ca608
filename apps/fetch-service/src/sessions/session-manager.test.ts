import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ActiveSession, silentLogger } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  download,
  listedSecurity,
  memoryBlobs,
  memoryStore,
  movableClock,
  noInspectors,
  sha,
} from '../../test/fakes.js';
import { type ReportSource, sessionReportText } from '../report/session-report.js';
import { loadSessionManager, type SessionManager, type SessionManagerOptions } from './session-manager.js';
import { createSpool } from './spool.js';

let root: string;
let store: ReturnType<typeof memoryStore>;
let blobs: ReturnType<typeof memoryBlobs>;
let clock: ReturnType<typeof movableClock>;
let security: ReturnType<typeof listedSecurity>;
let discarded: string[];
let manager: SessionManager;

const strict = { policy: 'strict', timeoutSeconds: 0 } as const;

async function load(more: Partial<SessionManagerOptions> = {}): Promise<SessionManager> {
  return loadSessionManager({
    store,
    spool: createSpool(root, blobs),
    inspectors: noInspectors,
    configuration: { forSession: async () => ({}) },
    isPermissiveAllowed: false,
    discardBlobs: async (sha256s) => void discarded.push(...sha256s),
    clock,
    logger: silentLogger,
    security,
    ...more,
  });
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'waybill-sessions-'));
  store = memoryStore();
  blobs = memoryBlobs();
  clock = movableClock();
  security = listedSecurity();
  discarded = [];
  manager = await load();
});

afterEach(async () => {
  vi.useRealTimers();
  await manager.close();
  await rm(root, { recursive: true });
});

async function reportText(source: ReportSource): Promise<string> {
  const pieces: string[] = [];
  for await (const piece of sessionReportText(source)) pieces.push(piece);
  return pieces.join('');
}

async function active(id: string, token: string): Promise<ActiveSession> {
  const session = await manager.authenticate(id, token);
  if (typeof session === 'string') throw new Error(`authentication failed: ${session}`);
  return session;
}

describe('create', () => {
  it('makes an id, a token that is stored as a digest only, and six hours of life', async () => {
    const { id, token } = await manager.create(strict);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(token).toMatch(/^[A-Za-z0-9]{20,}$/);
    const record = store.sessions.get(id);
    expect(JSON.stringify(record)).not.toContain(token);
    expect(record?.expiresAt.getTime()).toBe(clock.now().getTime() + 6 * 3600 * 1000);
    expect(await active(id, token)).toMatchObject({ id, policy: 'strict' });
  });

  it('refuses permissive sessions unless the service was started for them', async () => {
    await expect(manager.create({ ...strict, policy: 'permissive' })).rejects.toMatchObject({
      code: 'FETCH_POLICY_INVALID',
      message: 'Invalid session policy',
    });
    manager = await load({ isPermissiveAllowed: true });
    await manager.create({ ...strict, policy: 'permissive' });
    expect(manager.live().map(({ policy }) => policy)).toEqual(['permissive']);
  });

  it('records patterns of secrets and never their credentials', async () => {
    const secrets = [{ type: 'macaroon', url: 'https://git.example:443/**', 'macaroon-credentials': 'very-secret' }];
    const { id } = await manager.create({ ...strict, secrets });
    expect(store.sessions.get(id)?.secretPatterns).toEqual(['https://git.example:443/**']);
    expect(JSON.stringify(store.sessions.get(id))).not.toContain('very-secret');
  });

  it('gives a fresh id when the wished one is in use', async () => {
    expect((await manager.create({ ...strict, id: 'mine', token: 'T'.repeat(20) })).id).toBe('mine');
    expect((await manager.create({ ...strict, id: 'mine' })).id).toMatch(/^[0-9a-f]{32}$/);
  });

  it('stores nothing when inspectors cannot be bound', async () => {
    manager = await load({
      inspectors: {
        bind() {
          throw new Error('a key cannot be read');
        },
      },
    });
    await expect(manager.create(strict)).rejects.toThrow('a key cannot be read');
    expect(store.sessions.size).toBe(0);
  });
});

describe('authenticate', () => {
  it('tells why credentials fail, and reports the use of a token after its end', async () => {
    const { id, token } = await manager.create(strict);
    expect(await manager.authenticate('f'.repeat(32), token)).toBe('unknown');
    expect(await manager.authenticate('__proto__', token)).toBe('unknown');
    expect(await manager.authenticate(id, 'wrong')).toBe('wrong-token');
    await manager.revoke(id, token);
    expect(await manager.authenticate(id, token)).toBe('revoked');
    expect(await manager.authenticate(id, 'wrong')).toBe('wrong-token');
    await manager.end(id);
    expect(await manager.authenticate(id, token)).toBe('ended');
    expect(await manager.authenticate(id, 'wrong')).toBe('wrong-token');
    expect(security.names.filter((name) => name.startsWith('authn_token_reuse'))).toHaveLength(2);
  });
});

describe('revoke', () => {
  it('stops transfers before the store has answered', async () => {
    const { id, token } = await manager.create(strict);
    const session = await active(id, token);
    const before = store.transition;
    store.transition = async (...args) => {
      expect(session.signal.aborted).toBe(true);
      expect(await manager.authenticate(id, token)).toBe('revoked');
      return before.apply(store, args);
    };
    await manager.revoke(id, token);
    expect(store.sessions.get(id)?.state).toBe('revoked');
  });

  it('stays revoked for the proxy when the store fails, and can be repeated', async () => {
    const { id, token } = await manager.create(strict);
    const before = store.transition;
    store.transition = async () => {
      throw new Error('disk gone');
    };
    await expect(manager.revoke(id, token)).rejects.toThrow('disk gone');
    expect(await manager.authenticate(id, token)).toBe('revoked');
    store.transition = before;
    await manager.revoke(id, token);
    await expect(manager.report(id)).resolves.toMatchObject({ session: { state: 'revoked' } });
  });

  it('moves the end time when repeated with the right token only', async () => {
    const { id, token } = await manager.create(strict);
    const first = await manager.revoke(id, token);
    clock.advance(1000);
    await expect(manager.revoke(id, 'wrong')).rejects.toMatchObject({
      code: 'FETCH_TOKEN_WRONG',
      message: 'invalid session token',
    });
    const second = await manager.revoke(id, token);
    expect(second.endedAt?.getTime()).toBe((first.endedAt?.getTime() ?? 0) + 1000);
    await expect(manager.revoke('f'.repeat(32), token)).rejects.toMatchObject({ code: 'FETCH_SESSION_UNKNOWN' });
  });

  it('waits for exchanges to record how they ended', async () => {
    const order: string[] = [];
    manager = await load({
      async settle() {
        await new Promise((resolve) => setTimeout(resolve, 10));
        order.push('settled');
      },
    });
    const { id, token } = await manager.create(strict);
    await manager.revoke(id, token);
    order.push('revoked');
    expect(order).toEqual(['settled', 'revoked']);
  });
});

describe('report', () => {
  it('is refused while the token is active and gone once the session is ended', async () => {
    const { id, token } = await manager.create(strict);
    await expect(manager.report(id)).rejects.toMatchObject({
      code: 'FETCH_SESSION_OPEN',
      message: 'session token is active',
    });
    await manager.revoke(id, token);
    expect((await manager.report(id)).inspectorIds).toEqual(['npm.tarball', 'default']);
    expect((await manager.report(id)).spoolPath).toBe(join(root, id));
    await manager.end(id);
    await expect(manager.report(id)).rejects.toMatchObject({ code: 'FETCH_SESSION_UNKNOWN' });
    await expect(manager.report('../etc')).rejects.toMatchObject({ code: 'FETCH_SESSION_UNKNOWN' });
  });
});

describe('end and delete', () => {
  it('writes the spool layout, then removes it with records and bodies', async () => {
    const { id, token } = await manager.create(strict);
    const session = await active(id, token);
    const writer = blobs.create();
    await writer.write(Buffer.from('abc'));
    const { digests } = await writer.commit();
    await store.record([download(id, digests.sha256)]);
    await manager.end(id);
    expect(session.signal.aborted).toBe(true);
    expect((await readdir(join(root, id))).sort()).toEqual(['assets', 'session.json']);
    expect((await readdir(join(root, id, 'assets'))).sort()).toEqual([
      `${digests.sha256}.data`,
      `${digests.sha256}.json`,
    ]);
    expect(await readFile(join(root, id, 'assets', `${digests.sha256}.data`), 'utf8')).toBe('abc');
    const description = JSON.parse(await readFile(join(root, id, 'session.json'), 'utf8'));
    expect(description).toMatchObject({ 'session-id': id, state: 'ended', 'spool-path': join(root, id) });
    expect(description).not.toHaveProperty('artifacts');
    await expect(manager.end(id)).rejects.toMatchObject({ code: 'FETCH_SESSION_UNKNOWN' });

    await manager.deleteResources(id);
    expect(await readdir(root)).toEqual([]);
    expect(discarded).toEqual([digests.sha256]);
    expect(await store.getSession(id)).toBeUndefined();
    await manager.deleteResources(id);
  });

  it('keeps a session whose files cannot be written', async () => {
    const { id, token } = await manager.create(strict);
    await writeFile(join(root, id), 'in the way');
    await expect(manager.end(id)).rejects.toMatchObject({ code: 'FETCH_SPOOL_WRITE_FAILED' });
    expect(await manager.authenticate(id, token)).toBe('revoked');
    await rm(join(root, id));
    await manager.end(id);
  });

  it('reports a body that is missing instead of leaving it out', async () => {
    const { id } = await manager.create(strict);
    await store.record([download(id, sha('a'))]);
    await expect(manager.end(id)).rejects.toMatchObject({ code: 'FETCH_SPOOL_WRITE_FAILED' });
  });

  it('refuses to delete resources of a session that exists, and touches no other path', async () => {
    const { id, token } = await manager.create(strict);
    await expect(manager.deleteResources(id)).rejects.toMatchObject({ code: 'FETCH_SESSION_LIVE' });
    await manager.revoke(id, token);
    await expect(manager.deleteResources(id)).rejects.toMatchObject({ code: 'FETCH_SESSION_LIVE' });
    await writeFile(join(root, '.waybill'), '');
    for (const name of ['..', '.waybill', '.', '', '../..', 'A']) await manager.deleteResources(name);
    expect(await readdir(root)).toEqual(['.waybill']);
  });
});

describe('time', () => {
  it('ends a session after its absolute life and keeps its report until resources are deleted', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const over: string[] = [];
    manager = await load({ onOver: (how) => void over.push(how) });
    const { id, token } = await manager.create({ ...strict, timeoutSeconds: 60 });
    const session = await active(id, token);
    clock.advance(60_000);
    vi.advanceTimersByTime(60_000);
    expect(session.signal.aborted).toBe(true);
    await vi.waitUntil(() => over.length > 0);
    expect(over).toEqual(['expired']);
    expect(await manager.authenticate(id, token)).toBe('expired');
    expect((await manager.report(id)).session).toMatchObject({ state: 'expired', endedAt: clock.now() });
    expect(await readdir(join(root, id))).toContain('session.json');
    await rm(join(root, id), { recursive: true });
    await manager.end(id);
    expect(await readdir(join(root, id))).toContain('session.json');
    expect((await manager.report(id)).session.state).toBe('expired');
    expect(over).toEqual(['expired']);
    await manager.deleteResources(id);
    await expect(manager.report(id)).rejects.toMatchObject({ code: 'FETCH_SESSION_UNKNOWN' });
    await expect(manager.end(id)).rejects.toMatchObject({ code: 'FETCH_SESSION_UNKNOWN' });
  });

  it('tells the same of a session that was revoked before', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { id, token } = await manager.create({ ...strict, timeoutSeconds: 60 });
    clock.advance(20_000);
    await manager.revoke(id, token);
    const told = await reportText(await manager.report(id));
    clock.advance(40_000);
    vi.advanceTimersByTime(60_000);
    await vi.waitUntil(() => store.sessions.get(id)?.state === 'expired');
    expect(await reportText(await manager.report(id))).toBe(told);
    manager = await load();
    expect(await reportText(await manager.report(id))).toBe(told);
    await manager.deleteResources(id);
  });

  it('is over in time even when the files cannot be written', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { id, token } = await manager.create({ ...strict, timeoutSeconds: 1 });
    await writeFile(join(root, id), 'in the way');
    clock.advance(1000);
    vi.advanceTimersByTime(1000);
    await vi.waitUntil(() => store.sessions.get(id)?.state === 'expired');
    expect(await manager.authenticate(id, token)).toBe('expired');
  });

  it('does not end a session of a month at once', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { id, token } = await manager.create({ ...strict, timeoutSeconds: 40 * 24 * 3600 });
    vi.advanceTimersByTime(2 ** 31);
    clock.advance(2 ** 31);
    expect(await active(id, token)).toMatchObject({ id });
    await manager.close();
  });
});

describe('after a restart', () => {
  it('goes on with open sessions, lost secrets refused', async () => {
    const secrets = [{ type: 'basic-auth', url: 'https://git.example:443/**', 'basic-credentials': 'u:p' }];
    const { id, token } = await manager.create({ ...strict, secrets });
    manager = await load();
    const session = await active(id, token);
    expect(session.credentialFor('https://git.example:443/x')).toEqual({ type: 'lost' });
    expect(session.signal.aborted).toBe(false);
    expect(manager.createdCount).toBe(0);
    await manager.revoke(id, token);
  });

  it('keeps revoked sessions revoked', async () => {
    const { id, token } = await manager.create(strict);
    await manager.revoke(id, token);
    manager = await load();
    expect(await manager.authenticate(id, token)).toBe('revoked');
    expect((await manager.report(id)).session.state).toBe('revoked');
  });

  it('expires what ran out meanwhile, at the moment it ran out', async () => {
    const { id } = await manager.create({ ...strict, timeoutSeconds: 60 });
    const expiresAt = store.sessions.get(id)?.expiresAt;
    clock.advance(3_600_000);
    manager = await load();
    await vi.waitUntil(() => store.sessions.get(id)?.state === 'expired');
    expect(store.sessions.get(id)?.endedAt).toEqual(expiresAt);
  });

  it('allows nothing for a session whose configuration cannot be read', async () => {
    const { id, token } = await manager.create(strict);
    const record = store.sessions.get(id);
    if (record) store.sessions.set(id, { ...record, configuration: { nonsense: true } });
    const bound: unknown[] = [];
    manager = await load({
      inspectors: {
        bind(config) {
          bound.push(config);
          return noInspectors.bind();
        },
      },
    });
    await active(id, token);
    expect(bound).toEqual([{}]);
  });
});
