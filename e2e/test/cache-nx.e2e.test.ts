import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CacheMachine, clientModules, createCacheMachine, needClient } from './harness/cache-machine.js';
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
beforeEach((context) => needClient(context, 'nx', 'tooling/ci/cache-clients.sh'));

async function project(): Promise<CacheMachine> {
  const machine = await createCacheMachine({
    'package.json': JSON.stringify({ name: 'root', private: true }),
    '.gitignore': 'node_modules\n.nx\na/out\n',
    'nx.json': JSON.stringify({
      analytics: false,
      neverConnectToCloud: true,
      targetDefaults: { build: { cache: true, outputs: ['{projectRoot}/out'] } },
    }),
    'a/project.json': JSON.stringify({
      name: 'a',
      root: 'a',
      targets: { build: { command: `mkdir -p a/out && node -p "crypto.randomUUID()" > a/out/when` } },
    }),
  });
  await symlink(clientModules, join(machine.project, 'node_modules'));
  const git = await machine.run('sh', [
    '-c',
    'git init -q && git add -A && git -c user.name=a -c user.email=a@example.org commit -qm one',
  ]);
  if (git.code !== 0) throw new Error(git.stderr);
  return machine;
}

async function build(machine: CacheMachine, token: string, namespace: string) {
  const ran = await machine.run('nx', ['run', 'a:build', '--outputStyle=static'], {
    NX_DAEMON: 'false',
    NX_SELF_HOSTED_REMOTE_CACHE_SERVER: `${server.origin}/${namespace}`,
    NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN: token,
    NX_NO_CLOUD: 'true',
    NX_SOCKET_DIR: join(machine.home, 's'),
    CI: '1',
    NO_COLOR: '1',
  });
  const made = await readFile(join(machine.project, 'a/out/when'), 'utf8').catch(() => '');
  const text = `${ran.stdout}${ran.stderr}`;
  return { code: ran.code, isHit: /remote cache/.test(text), made, text };
}

describe('nx', { timeout: 600_000 }, () => {
  it('stores what one machine builds, once, and another one gets it', async () => {
    const first = await build(await project(), writer, 'web');
    expect(first, first.text).toMatchObject({ code: 0, isHit: false });
    expect(await server.metric('artifact_cache_bytes_total', 'nx', 'received')).toBeGreaterThan(0);
    const second = await build(await project(), reader, 'web');
    expect(second, second.text).toMatchObject({ code: 0, isHit: true, made: first.made });
    const other = await build(await project(), writer, 'app');
    expect(other, other.text).toMatchObject({ code: 0, isHit: false });
  });

  it('builds with a token that may not write, says nothing, and stores nothing', async () => {
    const first = await build(await project(), reader, 'closed');
    expect(first, first.text).toMatchObject({ code: 0, isHit: false });
    const second = await build(await project(), writer, 'closed');
    expect(second, second.text).toMatchObject({ code: 0, isHit: false });
  });

  it('says why a token that nobody knows is refused', async () => {
    const built = await build(await project(), 'wrong', 'web');
    expect(built.text).toContain('the token is not known');
  });
});
