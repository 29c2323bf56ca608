import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
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
