import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type Artifact, type Cache, openCache } from '@waybill/cache-client';
import { type CacheStore, createMemoryCacheStore } from '@waybill/cache-store';
import { type Logger, silentLogger } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receive } from '../src/receive/receive.js';
import { createServing } from '../src/serving/create-serving.js';

/** Stands where ssh stands: joins its own streams with a socket of this test. */
const bridge = `import { connect } from 'node:net';
const socket = connect(process.argv[2]);
process.stdin.pipe(socket).pipe(process.stdout);
socket.on('error', () => process.exit(255));`;

/** A stand-in for ssh that prints something and ends. */
const failing = (text: string, code: number) => `#!/bin/sh\nprintf '%s\\n' ${JSON.stringify(text)} >&2\nexit ${code}\n`;

describe('pushing through a receiver', () => {
  let dir: string;
  let store: CacheStore;
  let listener: Server;
  let sessions = 0;
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-receive-'));
    store = createMemoryCacheStore();
    sessions = 0;
    warnings.length = 0;
    const credential = { kind: 'ssh-key' as const, value: 'SHA256:alice' };
    const grants = [
      { namespace: 'main', right: 'write' as const },
      { namespace: 'seen', right: 'read' as const },
    ];
    await store.principals.add({ id: 'alice', credential, grants }, { principal: 'test' });
    await writeFile(join(dir, 'bridge.mjs'), bridge);
    listener = createServer((socket) => {
      sessions += 1;
      const serving = createServing({ store });
      const stderr = new PassThrough().resume();
      // Two streams, as with sshd: when the one is ended, what is in the other still arrives.
      const streams = { stdin: socket.pipe(new PassThrough()), stdout: socket, stderr, env: {}, key: 'SHA256:alice' };
      void receive(async () => serving, streams).finally(() => socket.end());
    });
    await new Promise<void>((done) => listener.listen(join(dir, 'socket'), done));
  });
  afterEach(async () => {
    await new Promise((done) => listener.close(done));
    await rm(dir, { recursive: true, force: true });
  });

  function opened(
    ssh: readonly string[] = [process.execPath, join(dir, 'bridge.mjs'), join(dir, 'socket')],
    namespace = 'main',
  ) {
    const url = new URL('ssh://artifacts@cache.example:2222/');
    const push = { url, namespace };
    return openCache({ local: { dir: join(dir, 'cache') }, remotes: [{ push, auth: {} }], log, ssh });
  }

  async function stored(cache: Cache, text: string, files = 40): Promise<Artifact> {
    const tree = join(dir, `tree-${text}`);
    await mkdir(tree);
    for (let at = 0; at < files; at++) await writeFile(join(tree, `file-${at}`), `${at < files / 2 ? '' : text} ${at}`);
    await writeFile(join(tree, 'large'), Buffer.alloc(3_000_000, text));
    const hex = Buffer.from(text).toString('hex').padEnd(64, '0');
    const names = { project: 'demo', part: 'app', platform: 'amd64', key: hex, weakKey: 'f'.repeat(64) };
    return await cache.store({ names, trees: { install: tree }, builtBy: 'test', createdAt: new Date() });
  }

  it('sends only what is missing, over one session, and sets both names', async () => {
    const cache = await opened();
    const one = await stored(cache, 'one');
    expect(await cache.push(one)).toMatchObject([{ outcome: 'pushed' }]);
    const space = store.namespace('main');
    const before = await space.usage();
    const two = await stored(cache, 'two');
    expect(await cache.push(two)).toMatchObject([{ outcome: 'pushed' }]);
    expect(await cache.push(two)).toMatchObject([{ outcome: 'exists', sentBytes: 0 }]);
    // The first half of the small files is the same in both.
    expect((await space.usage()).blobs - before.blobs).toBe(22);
    expect(sessions).toBe(1);
    const weak = await space.lookup('artifact', [`weak/demo/app/amd64/${'f'.repeat(64)}`]);
    expect(weak?.value).toEqual(two.blob);
    expect(weak?.writer).toMatchObject({ principal: 'alice' });
    await cache.close();
    expect(warnings).toEqual([]);
  });

  it('says that somebody may only read, and sends nothing', async () => {
    const cache = await opened(undefined, 'seen');
    const [result] = await cache.push(await stored(cache, 'one', 2));
    expect(result).toMatchObject({ outcome: 'failed', sentBytes: 0, error: { code: 'CACHE_REMOTE_REFUSED' } });
    expect((await store.namespace('seen').usage()).blobs).toBe(0);
    expect(warnings).toHaveLength(1);
    await cache.close();
  });

  it('opens a new session when the old one has gone', async () => {
    const cache = await opened();
    await cache.push(await stored(cache, 'one', 2));
    expect(await store.principals.remove('alice', { principal: 'test' })).toBe(true);
    const [refused] = await cache.push(await stored(cache, 'two', 2));
    expect(refused).toMatchObject({ outcome: 'failed', error: { code: 'CACHE_REMOTE_REFUSED' } });
    expect(await store.namespace('main').lookup('artifact', ['demo/app/amd64/two'])).toBeUndefined();
    await cache.close();
  });

  it.each<[string, number, string, RegExp]>([
    [
      'artifacts@cache.example: Permission denied (publickey).',
      255,
      'CACHE_REMOTE_REFUSED',
      /does not know your ssh key/,
    ],
    ['Host key verification failed.', 255, 'CACHE_REMOTE_REFUSED', /host key/],
    [
      'ssh: connect to host cache.example port 2222: Connection refused',
      255,
      'CACHE_REMOTE_UNREACHABLE',
      /nothing listens/,
    ],
    [
      'ssh: connect to host cache.example port 2222: Connection timed out',
      255,
      'CACHE_REMOTE_UNREACHABLE',
      /does not answer/,
    ],
    [
      'ssh: Could not resolve hostname cache.example: Name or service not known',
      255,
      'CACHE_REMOTE_UNREACHABLE',
      /no host of this name/,
    ],
    ['bash: artifact-cache: command not found', 127, 'CACHE_REMOTE_FAILED', /not installed/],
    ['something else', 3, 'CACHE_REMOTE_UNREACHABLE', /something else/],
  ])('tells people what "%s" means', async (text, exit, code, message) => {
    const program = join(dir, 'ssh');
    await writeFile(program, failing(text, exit));
    await chmod(program, 0o755);
    const cache = await opened([program]);
    const [result] = await cache.push(await stored(cache, 'one', 2));
    expect(result).toMatchObject({ outcome: 'failed', error: { code, message: expect.stringMatching(message) } });
    expect(result?.error).toHaveProperty('hint', expect.any(String));
    await cache.close();
  });

  it('tells people that ssh is not there, or that the account has a chatty shell', async () => {
    const none = await opened([join(dir, 'no-ssh')]);
    const [missing] = await none.push(await stored(none, 'one', 2));
    expect(missing).toMatchObject({
      error: { code: 'CACHE_REMOTE_UNREACHABLE', message: expect.stringContaining('cannot start') },
    });
    await none.close();
    const program = join(dir, 'ssh');
    await writeFile(program, '#!/bin/sh\necho Welcome to this machine\nexec cat >/dev/null\n');
    await chmod(program, 0o755);
    const chatty = await opened([program]);
    const [result] = await chatty.push(await stored(chatty, 'two', 2));
    expect(result).toMatchObject({
      error: { code: 'CACHE_FRAME_INVALID', message: expect.stringContaining('Welcome') },
    });
    await chatty.close();
  });

  it('never hands ssh an option, and asks for nothing but the receiver', async () => {
    const program = join(dir, 'ssh');
    await writeFile(program, `#!/bin/sh\nfor word; do echo "[$word]"; done > ${join(dir, 'words')}\n`);
    await chmod(program, 0o755);
    const cache = await opened([program]);
    const artifact = await stored(cache, 'one', 2);
    await cache.push(artifact);
    const words = (await readFile(join(dir, 'words'), 'utf8')).trim().split('\n');
    expect(words.slice(-3)).toEqual(['[--]', '[cache.example]', '[artifact-cache receive main]']);
    expect(words).toContain('[BatchMode=yes]');
    for (const text of ['ssh://-oProxyCommand=x@h.example/', 'ssh://a@h.example/']) {
      const url = new URL(text);
      if (text.includes('a@')) url.password = 'secret';
      const push = { url, namespace: 'main' };
      const other = await openCache({
        local: { dir: join(dir, 'cache') },
        remotes: [{ push, auth: {} }],
        log,
        ssh: [program],
      });
      expect(await other.push(artifact)).toMatchObject([{ error: { code: 'CACHE_CONFIG_INVALID' } }]);
      await other.close();
    }
  });
});
