import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CacheMachine, createCacheMachine, needClient } from './harness/cache-machine.js';
import { type CacheServer, startCacheServer } from './harness/cache-server.js';
import { keepForFile } from './harness/keep.js';

const keep = keepForFile();
let server: CacheServer;
let writer: string;
let reader: string;

beforeAll(async () => {
  server = keep(await startCacheServer());
  writer = await server.token('ci', '*=write');
  reader = await server.token('laptop', '*=read');
});
beforeEach((context) => needClient(context, 'turbo', 'tooling/ci/cache-clients.sh'));

/** Each build makes other bytes, so that only a cache gives the same again. */
function project(options: { readonly signature?: boolean; readonly build?: string } = {}): Promise<CacheMachine> {
  return createCacheMachine({
    'package.json': JSON.stringify({
      name: 'root',
      private: true,
      packageManager: 'npm@11.0.0',
      workspaces: ['packages/*'],
    }),
    'package-lock.json': JSON.stringify({
      name: 'root',
      lockfileVersion: 3,
      packages: {
        '': { name: 'root', workspaces: ['packages/*'] },
        'node_modules/a': { resolved: 'packages/a', link: true },
        'packages/a': { name: 'a', version: '1.0.0' },
      },
    }),
    'turbo.json': JSON.stringify({
      tasks: { build: { outputs: ['out/**'] } },
      remoteCache: { signature: options.signature ?? false },
    }),
    'packages/a/package.json': JSON.stringify({
      name: 'a',
      version: '1.0.0',
      scripts: { build: 'mkdir -p out && node -p "crypto.randomUUID()" > out/when' },
    }),
    'packages/a/input': options.build ?? 'one',
  });
}

interface Built {
  readonly code: number | null;
  readonly isHit: boolean;
  readonly made: string;
  readonly text: string;
}

async function build(
  machine: CacheMachine,
  settings: {
    readonly token: string;
    readonly team: string;
    readonly args?: string[];
    readonly env?: NodeJS.ProcessEnv;
  },
): Promise<Built> {
  const ran = await machine.run(
    'turbo',
    ['run', 'build', '--cache=remote:rw', '--no-daemon', '--no-color', ...(settings.args ?? [])],
    {
      TURBO_API: server.origin,
      TURBO_TOKEN: settings.token,
      TURBO_TEAM: settings.team,
      TURBO_TELEMETRY_DISABLED: '1',
      ...settings.env,
    },
  );
  const made = await readFile(join(machine.project, 'packages/a/out/when'), 'utf8').catch(() => '');
  const text = `${ran.stdout}${ran.stderr}`;
  return { code: ran.code, isHit: /cache hit, replaying/.test(text), made, text };
}

describe('turbo', { timeout: 600_000 }, () => {
  it('stores what one machine builds, and another one gets it', async () => {
    const first = await build(await project(), { token: writer, team: 'web' });
    expect(first, first.text).toMatchObject({ code: 0, isHit: false });
    const second = await build(await project(), { token: reader, team: 'web' });
    expect(second, second.text).toMatchObject({ code: 0, isHit: true, made: first.made });
    // Another team is another namespace.
    const other = await build(await project(), { token: writer, team: 'app' });
    expect(other, other.text).toMatchObject({ code: 0, isHit: false });
    expect(other.made).not.toBe(first.made);
  });

  it('with signatures: the tag comes back as it was; another key is a miss', async () => {
    const signed = (key: string) => ({
      token: writer,
      team: 'signed',
      env: { TURBO_REMOTE_CACHE_SIGNATURE_KEY: key.repeat(8) },
    });
    const first = await build(await project({ signature: true }), signed('0123456789'));
    expect(first, first.text).toMatchObject({ code: 0, isHit: false });
    const second = await build(await project({ signature: true }), signed('0123456789'));
    expect(second, second.text).toMatchObject({ code: 0, isHit: true, made: first.made });
    const stranger = await build(await project({ signature: true }), signed('9876543210'));
    expect(stranger, stranger.text).toMatchObject({ code: 0, isHit: false });
  });

  it('with a preflight: the token is sent all the same', async () => {
    const args = ['--preflight'];
    const first = await build(await project(), { token: writer, team: 'preflight', args });
    const second = await build(await project(), { token: writer, team: 'preflight', args });
    expect([first.isHit, second.isHit, second.made], second.text).toEqual([false, true, first.made]);
  });

  it('builds with a token that may not write, and stores nothing', async () => {
    const first = await build(await project(), { token: reader, team: 'closed' });
    expect(first, first.text).toMatchObject({ code: 0, isHit: false });
    const second = await build(await project(), { token: writer, team: 'closed' });
    expect(second, second.text).toMatchObject({ code: 0, isHit: false });
  });

  it('builds with a token that nobody knows', async () => {
    const built = await build(await project(), { token: 'wrong', team: 'web' });
    expect(built, built.text).toMatchObject({ code: 0, isHit: false });
    expect(built.made).not.toBe('');
  });

  it('builds when what was stored is no archive', async () => {
    const machine = await project({ build: 'spoilt' });
    const dry = await machine.run('turbo', ['run', 'build', '--dry=json', '--no-daemon'], {
      TURBO_TELEMETRY_DISABLED: '1',
    });
    const hash: string = JSON.parse(dry.stdout).tasks[0].hash;
    const stored = await fetch(`${server.origin}/v8/artifacts/${hash}?slug=spoilt`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${writer}`, 'x-artifact-duration': '1' },
      body: 'no archive',
    });
    expect(stored.status).toBe(202);
    const built = await build(machine, { token: writer, team: 'spoilt' });
    expect(built, built.text).toMatchObject({ code: 0, isHit: false });
    expect(built.made).not.toBe('');
  });
});
