import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeService, startFakeService } from '../../test/fake-service.js';
import { findDaemon } from './daemon.js';
import { readRuntimeFile } from './runtime-file.js';

let service: FakeService;
let dir: string;
let path: string;
beforeEach(async () => {
  service = await startFakeService();
  dir = await mkdtemp(join(tmpdir(), 'craft-runtime-'));
  path = join(dir, 'waybill/fetch-service.json');
  await mkdir(dirname(path), { mode: 0o700 });
});
afterEach(async () => {
  await service.close();
  await rm(dir, { recursive: true, force: true });
});

const write = (changes: object = {}, mode = 0o600) =>
  writeFile(path, JSON.stringify({ ...service.runtime(), ...changes }), { mode });

describe('readRuntimeFile', () => {
  it('reads what the daemon wrote', async () => {
    await write();
    expect((await readRuntimeFile(path))?.['control-url']).toBe(service.url);
  });

  it('knows no daemon without a file, or with one that says nothing', async () => {
    expect(await readRuntimeFile(path)).toBeUndefined();
    await writeFile(path, '{"pid": ', { mode: 0o600 });
    expect(await readRuntimeFile(path)).toBeUndefined();
  });

  it.each([
    ['others may read the file', async () => write({}, 0o644)],
    [
      'others may write the folder',
      async () => {
        await write();
        await chmod(dirname(path), 0o777);
      },
    ],
    [
      'it is a link',
      async () => {
        await write();
        await rm(path);
        await writeFile(join(dir, 'elsewhere'), '{}', { mode: 0o600 });
        await symlink(join(dir, 'elsewhere'), path);
      },
    ],
  ])('trusts nothing when %s', async (_name, prepare) => {
    await prepare();
    await expect(readRuntimeFile(path)).rejects.toMatchObject({ code: 'CRAFT_DAEMON_UNTRUSTED' });
  });
});

describe('findDaemon', () => {
  it('finds one that answers and serves the CA of the file', async () => {
    await write();
    expect((await findDaemon(path))?.caPem).toContain('BEGIN CERTIFICATE');
  });

  it.each([
    ['is dead', { pid: 2 ** 22 + 1 }],
    ['does not answer', { 'control-url': 'http://127.0.0.1:1' }],
  ])('finds none when it %s', async (_name, changes) => {
    await write(changes);
    expect(await findDaemon(path)).toBeUndefined();
  });

  it('does not use one that serves another CA', async () => {
    await write({ 'ca-sha256': '0'.repeat(64) });
    await expect(findDaemon(path)).rejects.toMatchObject({
      code: 'CRAFT_DAEMON_UNTRUSTED',
      message: expect.stringContaining('another CA'),
    });
  });

  it('does not use one that serves no certificate', async () => {
    await write();
    service.faults.set('GET /ca.pem', (_request, response) => response.end('hello'));
    await expect(findDaemon(path)).rejects.toMatchObject({ code: 'CRAFT_DAEMON_UNTRUSTED' });
  });
});
