import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answer, type FakeService, hangUp, startFakeService } from '../../test/fake-service.js';
import { silentProgress } from '../output/progress.js';
import { openManagedSession } from './managed.js';
import type { Policy } from './session.js';

let service: FakeService;
let dir: string;
beforeEach(async () => {
  service = await startFakeService();
  dir = await mkdtemp(join(tmpdir(), 'craft-managed-'));
});
afterEach(async () => {
  await service.close();
  await rm(dir, { recursive: true, force: true });
});

const open = (more: { policy?: Policy; inspectors?: object; permissive?: boolean } = {}) =>
  openManagedSession({
    policy: more.policy ?? 'strict',
    inspectors: more.inspectors as never,
    directories: {
      state: join(dir, 'state'),
      config: join(dir, 'config'),
      cache: join(dir, 'cache'),
      runtimeFile: join(dir, 'run/waybill/fetch-service.json'),
    },
    env: {},
    progress: silentProgress,
    signal: new AbortController().signal,
    daemon: async () => ({ ...service.daemon, runtime: { ...service.runtime(), permissive: more.permissive ?? true } }),
    retryDelaysMs: [1, 1],
  });

describe('openManagedSession', () => {
  it('lives from creation to deletion', async () => {
    const session = await open();
    expect(session).toMatchObject({
      kind: 'managed',
      id: 's1',
      policy: 'strict',
      proxyUrl: 'http://s1:secret-token@127.0.0.1:1',
    });
    expect(await session.finish()).toMatchObject({ 'session-id': 's1' });
    expect(await session.finish()).toMatchObject({ 'session-id': 's1' });
    expect(await session.discard()).toBeUndefined();
    expect(service.calls).toEqual([
      'POST /session',
      'DELETE /session/ID/token',
      'GET /session/ID',
      'DELETE /session/ID',
      'DELETE /resources/ID',
    ]);
  });

  it('discards the sessions of runs that were killed, and no others', async () => {
    const notes = join(dir, 'state/sessions');
    await mkdir(notes, { recursive: true });
    const caSha256 = service.runtime()['ca-sha256'];
    const gone = spawnSync('true').pid;
    const note = (id: string, content: unknown) => writeFile(join(notes, id), JSON.stringify(content));
    await note('killed', { pid: gone, caSha256 });
    await note('running', { pid: process.pid, caSha256 });
    await note('elsewhere', { pid: gone, caSha256: 'of another service' });
    await note('torn', 'x');
    const long = new Date(Date.now() - 8 * 24 * 3_600_000);
    for (const id of ['old', 'old-torn']) {
      await note(id, id === 'old' ? { pid: gone, caSha256: 'of another service' } : 'x');
      await utimes(join(notes, id), long, long);
    }
    const session = await open();
    expect(service.calls).toEqual(['DELETE /session/ID', 'DELETE /resources/ID', 'POST /session']);
    expect((await readdir(notes)).sort()).toEqual(['elsewhere', 'running', 's1', 'torn']);
    await session.finish();
    await session.discard();
    expect((await readdir(notes)).sort()).toEqual(['elsewhere', 'running', 'torn']);
  });

  it('tries again with the next run when a session of a killed one cannot be discarded', async () => {
    const notes = join(dir, 'state/sessions');
    await mkdir(notes, { recursive: true });
    const killed = { pid: spawnSync('true').pid, caSha256: service.runtime()['ca-sha256'] };
    await writeFile(join(notes, 'killed'), JSON.stringify(killed));
    service.faults.set('DELETE /resources/ID', answer(500, 'disk gone'));
    await open();
    expect(await readdir(notes)).toContain('killed');
    service.faults.clear();
    await open();
    expect(await readdir(notes)).not.toContain('killed');
  });

  it('leaves a session whose report could not be read to its user', async () => {
    const session = await open();
    service.faults.set('GET /session/ID', answer(500, 'broken'));
    await expect(session.finish()).rejects.toMatchObject({ code: 'CRAFT_REPORT_LOST' });
    expect(await readdir(join(dir, 'state/sessions'))).toEqual(['s1']);
    await session.keep();
    expect(await readdir(join(dir, 'state/sessions'))).toEqual([]);
  });

  it('hides what the build must not see', async () => {
    expect((await open()).hide).toEqual([join(dir, 'state'), join(dir, 'run/waybill')]);
  });

  it('joins the sections of the project with those of the service, and leaves the others to the service', async () => {
    await mkdir(join(dir, 'config'));
    await writeFile(
      join(dir, 'config/inspectors.yaml'),
      'npm: {registries: {default: {url: https://registry.example/}}}\ngit: {urls: ["https://git.example:443/a/**"]}\n',
    );
    await open({ inspectors: { git: { urls: ['https://git.example:443/b'] }, generic: { files: [] } } });
    expect(service.bodies[0]).toEqual({
      policy: 'strict',
      'inspectors-configuration': {
        git: { urls: ['https://git.example:443/a/**', 'https://git.example:443/b'] },
        generic: { files: [] },
      },
    });
  });

  it('says when the running service allows no permissive sessions, before it asks', async () => {
    await expect(open({ policy: 'permissive', permissive: false })).rejects.toMatchObject({
      code: 'CRAFT_CONTROL_DENIED',
      hint: expect.stringContaining('--permissive-mode'),
    });
    expect(service.calls).toEqual([]);
  });

  it.each([
    ['revocation', 'DELETE /session/ID/token', answer(500, 'broken')],
    ['the report', 'GET /session/ID', answer(500, 'broken')],
    ['the report, half way', 'GET /session/ID', hangUp],
    ['the report, which is no JSON', 'GET /session/ID', answer(200, '{"session-id": ')],
  ])('when %s fails, keeps the session for another try and says where the report is', async (_name, call, fault) => {
    const session = await open();
    service.faults.set(call, fault);
    await expect(session.finish()).rejects.toMatchObject({
      code: 'CRAFT_REPORT_LOST',
      message: expect.stringContaining('s1'),
    });
    expect(service.calls).not.toContain('DELETE /session/ID');
    service.faults.clear();
    expect(await session.finish()).toMatchObject({ 'session-id': 's1' });
  });

  it.each(['DELETE /session/ID', 'DELETE /resources/ID'])('says when %s fails, without throwing', async (call) => {
    const session = await open();
    await session.finish();
    service.faults.set(call, answer(500, 'disk gone'));
    expect(await session.discard()).toContain('disk gone');
  });
});
