import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CacheMachine, createCacheMachine, needClient } from './harness/cache-machine.js';
import { type CacheServer, startCacheServer } from './harness/cache-server.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { startRecordingRelay } from './harness/recording-relay.js';

const keep = keepForFile();
let server: CacheServer;
let writer: string;

beforeAll(async () => {
  server = keep(await startCacheServer());
  writer = await server.token('ci', '*=write');
});
beforeEach((context) => needClient(context, 'moon', 'tooling/ci/cache-clients.sh'));

async function project(host: string): Promise<CacheMachine> {
  const machine = await createCacheMachine({
    '.moon/workspace.yml': [
      "projects: ['a']",
      'telemetry: false',
      'remote:',
      '  api: http',
      `  host: '${host}'`,
      "  auth: { token: 'CACHE_TOKEN' }",
      "  cache: { instanceName: 'web' }",
      '',
    ].join('\n'),
    'a/moon.yml': [
      'language: unknown',
      'tasks:',
      '  build:',
      `    command: 'sh -c "mkdir -p out; cat /proc/sys/kernel/random/uuid > out/when"'`,
      "    outputs: ['out']",
      "    inputs: ['in.txt']",
      '',
    ].join('\n'),
    'a/in.txt': 'one\n',
  });
  const git = await machine.run('sh', [
    '-c',
    'git init -q && git add -A && git -c user.name=a -c user.email=a@example.org commit -qm one',
  ]);
  if (git.code !== 0) throw new Error(git.stderr);
  return machine;
}

async function build(machine: CacheMachine, token: string) {
  const ran = await machine.run('moon', ['run', 'a:build', '--log', 'warn'], {
    CACHE_TOKEN: token,
    CI: '1',
    NO_COLOR: '1',
  });
  const made = await readFile(join(machine.project, 'a/out/when'), 'utf8').catch(() => '');
  const text = `${ran.stdout}${ran.stderr}`;
  return { code: ran.code, isHit: /cached from remote/.test(text), made, text };
}

describe('moon over HTTP', { timeout: 600_000 }, () => {
  it('stores results as JSON, and another machine gets them', async () => {
    const relay = keepForTest(await startRecordingRelay(server.origin));
    const first = await build(await project(relay.origin), writer);
    expect(first, first.text).toMatchObject({ code: 0, isHit: false });
    expect(relay.seen.filter((line) => /^PUT \/web\/ac\/[0-9a-f]{64} 200$/.test(line))).toHaveLength(1);
    // The server's address is part of moon's hash: the same one.
    const second = await build(await project(relay.origin), writer);
    expect(second, second.text).toMatchObject({ code: 0, isHit: true, made: first.made });
  });

  it('builds with a token that nobody knows', async () => {
    const built = await build(await project(server.origin), 'wrong');
    expect(built, built.text).toMatchObject({ code: 0, isHit: false });
    expect(built.made).not.toBe('');
  });
});
