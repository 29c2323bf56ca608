import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cache, openCache, type RemoteSettings } from '../src/index.js';
import { builtPart, keptLog, namesOf, sha256, temporaryDirectory, writeTree } from './scene.js';
import { json, startV1Server, type V1Server } from './v1-server.js';

const retry = { attempts: 3, firstPauseMs: 1 };

describe('remotes', () => {
  let server: V1Server;
  let dir: Awaited<ReturnType<typeof temporaryDirectory>>;
  let log: ReturnType<typeof keptLog>;

  beforeEach(async () => {
    server = await startV1Server();
    dir = await temporaryDirectory();
    log = keptLog();
  });
  afterEach(async () => {
    await server.close();
    await dir[Symbol.asyncDispose]();
  });

  const settings = (push = true, namespace = 'main', url = server.url): RemoteSettings => ({
    pull: { url, namespace },
    push: push ? { url, namespace } : undefined,
    auth: {},
  });
  const opened = (home: string, remotes: RemoteSettings[], breaker = {}): Promise<Cache> =>
    openCache({ local: { dir: join(dir.path, home) }, remotes, log, retry, breaker, client: 'test/1' });
  const puts = () => server.requests.filter((line) => line.startsWith('PUT'));

  it('pushes from one home and pulls in another, only what is missing', async () => {
    const names = namesOf('app');
    const alice = await opened('alice', [settings()]);
    const stored = await alice.store(await builtPart(dir.path, names));
    expect(await alice.push(stored)).toMatchObject([{ outcome: 'pushed' }]);
    const sent = puts().length;
    expect(sent).toBe(5);
    expect(await alice.push(stored)).toMatchObject([{ outcome: 'exists', sentBytes: 0 }]);

    // Another key, one file of three differs: manifest and that file are sent.
    const other = namesOf('app');
    const again = await alice.store({
      ...(await builtPart(dir.path, other)),
      record: Buffer.from('{"artifacts":[1]}'),
    });
    await alice.push(again);
    expect(puts()).toHaveLength(sent + 2);

    const bob = await opened('bob', [settings(false)]);
    const progress: number[] = [];
    const pulled = await bob.pull(names, { onProgress: ({ bytes }) => progress.push(bytes) });
    expect(pulled?.origin).toMatchObject({ namespace: 'main', writer: 'tester' });
    expect(progress.at(-1)).toBe(pulled?.bytes);
    const to = join(dir.path, 'out');
    await pulled?.restore({ install: to });
    expect(await readFile(join(to, 'etc/deep/file.conf'), 'utf8')).toBe('hello = 1\n');

    const before = server.requests.length;
    expect((await bob.pull(names))?.origin.remote).toBe(pulled?.origin.remote);
    expect(server.requests).toHaveLength(before);
    expect(await bob.push(pulled as never)).toEqual([]);
    expect(log.warnings).toEqual([]);
  });

  it('gives the newest artifact for the weak key, and that name leads to no strong one', async () => {
    const alice = await opened('alice', [settings()]);
    const [one, two] = [namesOf('app'), namesOf('app')];
    await alice.push(await alice.store(await builtPart(dir.path, one, 'old')));
    await alice.push(await alice.store(await builtPart(dir.path, two, 'new')));
    const bob = await opened('bob', [settings(false)]);
    const wanted = namesOf('app');
    const pulled = await bob.pull(wanted, { weak: true });
    expect(pulled?.manifest.key).toBe(two.key);
    expect((await bob.list('demo/')).length).toBe(0);
    expect((await bob.list('weak/')).length).toBe(1);
  });

  it('asks the remotes in order and goes on past one that lacks a blob', async () => {
    const alice = await opened('alice', [settings(true, 'one'), settings(true, 'two')]);
    const names = namesOf('app');
    await alice.push(await alice.store(await builtPart(dir.path, names)));
    server.fault = (request, response) => {
      const isBlob = request.url?.includes('/namespaces/one/blobs/') ?? false;
      if (isBlob) json(response, 404, { error: 'NOT_FOUND', message: 'gone' });
      return isBlob;
    };
    const bob = await opened('bob', [settings(false, 'one'), settings(false, 'two')]);
    expect((await bob.pull(names))?.origin.namespace).toBe('two');
  });

  it('resumes a download where the connection broke, and gives right bytes', async () => {
    const alice = await opened('alice', [settings()]);
    const names = namesOf('big');
    const body = randomBytes(3_000_000);
    const tree = await writeTree(join(dir.path, 'big'), { body });
    await alice.push(await alice.store({ names, trees: { install: tree }, builtBy: 't', createdAt: new Date() }));
    let breaks = 5;
    server.fault = (request, response) => {
      if (!request.url?.endsWith(sha256(body)) || breaks-- <= 0) return false;
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, {
        'content-length': body.length - from,
        ...(from > 0 && { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
      });
      response.write(body.subarray(from, from + 400_000), () => response.destroy());
      return true;
    };
    const bob = await opened('bob', [settings(false)]);
    const pulled = await bob.pull(names);
    await pulled?.restore({ install: join(dir.path, 'out') });
    expect(sha256(await readFile(join(dir.path, 'out/body')))).toBe(sha256(body));
    expect(server.headers.filter(({ range }) => range !== undefined).length).toBeGreaterThanOrEqual(5);
  });

  it('resumes an upload, also when only the answer to its end was lost', async () => {
    const body = randomBytes(9_000_000);
    const tree = await writeTree(join(dir.path, 'big'), { body });
    const names = namesOf('big');
    const alice = await opened('alice', [settings()]);
    const artifact = await alice.store({ names, trees: { install: tree }, builtBy: 't', createdAt: new Date() });
    let lost = 0;
    server.fault = (request, response) => {
      if (request.method !== 'PATCH' || lost > 0) return false;
      lost += 1;
      // The bytes arrive, but the answer does not.
      response.writeHead = (() => {
        request.socket.destroy();
        return response;
      }) as never;
      return false;
    };
    expect(await alice.push(artifact)).toMatchObject([{ outcome: 'pushed', sentBytes: expect.any(Number) }]);
    expect(lost).toBe(1);
    expect(server.requests.filter((line) => line.startsWith('POST') && line.includes('/uploads'))).toHaveLength(1);
    const bob = await opened('bob', [settings(false)]);
    expect(await bob.pull(names)).toBeDefined();
  });

  it('begins an upload anew that a restarted server has lost', async () => {
    const tree = await writeTree(join(dir.path, 'big'), { body: randomBytes(9_000_000) });
    const names = namesOf('big');
    const alice = await opened('alice', [settings()]);
    const artifact = await alice.store({ names, trees: { install: tree }, builtBy: 't', createdAt: new Date() });
    let restarts = 0;
    server.fault = (request) => {
      if (request.method !== 'PATCH' || restarts > 0) return false;
      restarts += 1;
      request.once('data', () => {
        server.loseUploads();
        request.socket.destroy();
      });
      return true;
    };
    expect(await alice.push(artifact)).toMatchObject([{ outcome: 'pushed' }]);
    expect(restarts).toBe(1);
    expect(await (await opened('bob', [settings(false)])).pull(names)).toBeDefined();
  });

  it.each<[string, (body: Buffer) => Buffer]>([
    ['another byte', (body) => Buffer.concat([Buffer.from([(body[0] ?? 0) ^ 1]), body.subarray(1)])],
    ['a byte too many', (body) => Buffer.concat([body, Buffer.from('!')])],
  ])('never lets a blob with %s in', async (_what, change) => {
    const alice = await opened('alice', [settings()]);
    const names = namesOf('app');
    const artifact = await alice.store(await builtPart(dir.path, names));
    await alice.push(artifact);
    const victim = artifact.manifest.files.find((item) => item.type === 'file');
    const digest = victim?.type === 'file' ? victim.sha256 : '';
    const right = await readFile(join(dir.path, 'alice/content', digest.slice(0, 2), digest));
    server.fault = (request, response) => {
      if (!request.url?.endsWith(digest)) return false;
      response.writeHead(200).end(change(right));
      return true;
    };
    const bob = await opened('bob', [settings(false)]);
    expect(await bob.pull(names)).toBeUndefined();
    expect(log.warnings).toHaveLength(1);
    const left = await readdir(join(dir.path, 'bob/content'), { recursive: true });
    expect(left.some((name) => name.endsWith(digest))).toBe(false);
    expect(await readdir(join(dir.path, 'bob/tmp'))).toEqual([]);
  });

  it('does not take an entry that leads to the artifact of another part', async () => {
    const alice = await opened('alice', [settings()]);
    const [app, evil] = [namesOf('app'), namesOf('evil')];
    const artifact = await alice.store(await builtPart(dir.path, evil));
    await alice.push(artifact);
    const space = server.store.namespace('main');
    await space.publish(
      { kind: 'artifact', keys: [`demo/app/amd64/${app.key}`], value: artifact.blob },
      { principal: 'mallory' },
    );
    const bob = await opened('bob', [settings(false)]);
    expect(await bob.pull(app)).toBeUndefined();
    expect(log.warnings).toEqual([expect.stringContaining('not the artifact of')]);
  });

  it('asks the caller before it fetches files', async () => {
    const alice = await opened('alice', [settings()]);
    const names = namesOf('app');
    await alice.push(await alice.store(await builtPart(dir.path, names)));
    const bob = await opened('bob', [settings(false)]);
    const before = server.requests.length;
    const accept = ({ origin }: { origin: { writer?: string | undefined } }) => `written by ${origin.writer}`;
    expect(await bob.pull(names, { accept })).toBeUndefined();
    expect(server.requests.length - before).toBe(2);
    expect(log.infos).toEqual([expect.stringContaining('written by tester')]);
  });

  it.each<[string, number, string]>([
    ['is full', 507, 'CACHE_REMOTE_FULL'],
    ['refuses', 403, 'CACHE_REMOTE_REFUSED'],
    ['does not know who asks', 401, 'CACHE_REMOTE_REFUSED'],
    ['fails', 500, 'CACHE_REMOTE_FAILED'],
  ])('a remote that %s fails nothing: one warning, and left alone for a while', async (_what, status, code) => {
    let now = 0;
    const breaker = { firstPauseMs: 1000, longestPauseMs: 4000, now: () => now };
    const alice = await opened('alice', [settings()], breaker);
    const artifact = await alice.store(await builtPart(dir.path, namesOf('app')));
    server.fault = (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: 'NO', message: 'no' }));
      return true;
    };
    const [first] = await alice.push(artifact);
    expect(first).toMatchObject({ outcome: 'failed', error: { code } });
    const asked = server.requests.length;
    expect(asked).toBe(status === 500 ? 3 : 1);
    expect(await alice.push(artifact)).toMatchObject([{ outcome: 'failed' }]);
    expect(server.requests).toHaveLength(asked);
    now = 1000;
    expect(await alice.push(artifact)).toMatchObject([{ outcome: 'failed' }]);
    expect(server.requests.length).toBeGreaterThan(asked);
    expect(log.warnings).toHaveLength(1);
    server.fault = undefined;
    now = 3000;
    expect(await alice.push(artifact)).toMatchObject([{ outcome: 'pushed' }]);
  });

  it('pulls from a remote that cannot be pushed to', async () => {
    const alice = await opened('alice', [settings()]);
    const names = namesOf('app');
    await alice.push(await alice.store(await builtPart(dir.path, names)));
    server.fault = (request, response) => {
      if (request.method === 'GET' || request.method === 'HEAD') return false;
      json(response, 507, { error: 'CACHE_FULL', message: 'full' });
      return true;
    };
    const bob = await opened('bob', [settings()]);
    const mine = await bob.store(await builtPart(dir.path, namesOf('mine'), 'mine'));
    expect(await bob.push(mine)).toMatchObject([{ outcome: 'failed' }]);
    expect(await bob.pull(names)).toBeDefined();
  });

  it('builds on when nobody listens, after one warning', async () => {
    const nobody = await startV1Server();
    await nobody.close();
    const cache = await opened('alice', [settings(true, 'main', nobody.url)]);
    expect(await cache.pull(namesOf('app'))).toBeUndefined();
    expect(await cache.pull(namesOf('lib'))).toBeUndefined();
    expect(log.warnings).toHaveLength(1);
  });

  it('takes a page of HTML for no answer', async () => {
    server.fault = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>');
      return true;
    };
    const cache = await opened('alice', [settings(false)]);
    expect(await cache.pull(namesOf('app'))).toBeUndefined();
    expect(log.warnings).toEqual([expect.stringContaining('not one of an artifact-cache')]);
  });

  it('sends the token, read anew each time, and never in clear text to another machine', async () => {
    const token = join(dir.path, 'token');
    await writeFile(token, 'first-secret\n');
    const cache = await opened('alice', [{ ...settings(false), auth: { accessToken: token } }]);
    await cache.pull(namesOf('app'));
    await writeFile(token, 'second-secret\n');
    await cache.pull(namesOf('app'));
    expect(server.headers.map(({ authorization }) => authorization)).toEqual([
      'Bearer first-secret',
      'Bearer second-secret',
    ]);

    const far = new URL('http://cache.example/');
    const other = await opened('bob', [{ ...settings(false, 'main', far), auth: { accessToken: token } }]);
    expect(await other.pull(namesOf('app'))).toBeUndefined();
    expect(log.warnings).toEqual([expect.stringContaining('clear text')]);
  });

  it('stops at once when the build is interrupted', async () => {
    const stop = new AbortController();
    server.fault = () => {
      stop.abort(new Error('interrupted'));
      return true;
    };
    const cache = await opened('alice', [settings()]);
    await expect(cache.pull(namesOf('app'), { signal: stop.signal })).rejects.toThrow('interrupted');
    expect(log.warnings).toEqual([]);
  });
});
