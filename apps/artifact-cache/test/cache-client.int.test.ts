import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArtifactNames, type Cache, openCache, openHttpRemote } from '@waybill/cache-client';
import { type Logger, silentLogger } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpScene, type HttpScene, sha256 } from './http-scene.js';

const names: ArtifactNames = {
  project: 'démo/x',
  part: 'app',
  platform: 'amd64',
  key: 'a'.repeat(64),
  weakKey: 'b'.repeat(64),
};

describe('the client library and the native protocol', () => {
  let dir: string;
  let scene: HttpScene;
  let url: URL;
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-client-'));
    warnings.length = 0;
    scene = await createHttpScene({ rules: (name) => (name === 'small' ? { maxBlobBytes: 100 } : {}) });
    await scene.app.listen({ port: 0, host: '127.0.0.1' });
    url = new URL(`http://127.0.0.1:${(scene.app.server.address() as AddressInfo).port}/`);
  });
  afterEach(async () => {
    await scene.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function opened(home: string, token: string | undefined, namespace = 'main'): Promise<Cache> {
    const file = join(dir, `token-${token}`);
    if (token !== undefined) await writeFile(file, token);
    const place = { url, namespace };
    const auth = token === undefined ? {} : { accessToken: file };
    const remotes = [{ pull: place, push: place, auth }];
    return await openCache({ local: { dir: join(dir, home) }, remotes, log, retry: { firstPauseMs: 1 } });
  }

  async function built(cache: Cache, body: Buffer) {
    const install = join(dir, `tree-${sha256(body).slice(0, 8)}`);
    await mkdir(join(install, 'share/empty'), { recursive: true });
    await writeFile(join(install, 'body'), body);
    await writeFile(join(install, 'share/nothing'), '');
    return await cache.store({ names, trees: { install }, builtBy: 'test', createdAt: new Date() });
  }

  it('pushes as one and pulls as another, small files and one that is sent in parts', async () => {
    const body = randomBytes(20_000_000);
    const alice = await opened('alice', 'writer');
    const artifact = await built(alice, body);
    expect(await alice.push(artifact)).toMatchObject([{ outcome: 'pushed' }]);
    expect(await alice.push(artifact)).toMatchObject([{ outcome: 'exists', sentBytes: 0 }]);
    await alice.close();

    const bob = await opened('bob', 'reader');
    const pulled = await bob.pull(names);
    expect(pulled?.origin).toMatchObject({ namespace: 'main', writer: 'writer' });
    await pulled?.restore({ install: join(dir, 'out') });
    expect(sha256(await readFile(join(dir, 'out/body')))).toBe(sha256(body));
    expect(await readFile(join(dir, 'out/share/nothing'), 'utf8')).toBe('');
    const weak = await bob.pull({ ...names, key: 'c'.repeat(64) }, { weak: true });
    expect(weak?.blob).toEqual(artifact.blob);
    await bob.close();
    expect(warnings).toEqual([]);
  });

  it.each<[string, string | undefined, string, string]>([
    ['somebody who may only read', 'reader', 'main', 'CACHE_REMOTE_REFUSED'],
    ['a token that nobody has', 'wrong', 'main', 'CACHE_REMOTE_REFUSED'],
    ['nobody in particular', undefined, 'main', 'CACHE_REMOTE_REFUSED'],
    ['a blob too large', 'writer', 'small', 'CACHE_REMOTE_FULL'],
  ])('says why it cannot push: %s', async (_what, token, namespace, code) => {
    const cache = await opened('alice', token, namespace);
    const artifact = await built(cache, Buffer.alloc(5000, 'x'));
    const [result] = await cache.push(artifact);
    expect(result).toMatchObject({ outcome: 'failed', error: { code } });
    expect(warnings).toHaveLength(1);
    expect(
      await scene.serving.store.namespace(namespace).lookup('artifact', [`d%C3%A9mo%2Fx/app/amd64/${names.key}`]),
    ).toBeUndefined();
    await cache.close();
  });

  it('keeps the first artifact of a strong key', async () => {
    const [alice, bob] = [await opened('alice', 'writer'), await opened('bob', 'writer')];
    const first = await built(alice, Buffer.from('one'));
    expect(await alice.push(first)).toMatchObject([{ outcome: 'pushed' }]);
    expect(await bob.push(await built(bob, Buffer.from('two')))).toMatchObject([{ outcome: 'exists' }]);
    const carol = await opened('carol', 'reader');
    expect((await carol.pull(names))?.blob).toEqual(first.blob);
    await Promise.all([alice, bob, carol].map((cache) => cache.close()));
  });

  it('tells who it is taken for, and removes names', async () => {
    await opened('alice', 'admin').then((cache) => cache.close());
    const remote = await openHttpRemote({
      url,
      namespace: 'main',
      auth: { accessToken: join(dir, 'token-admin') },
      client: 'test/1',
      concurrency: 2,
    });
    expect(await remote.info()).toMatchObject({ service: 'artifact-cache', principal: 'admin' });
    expect(await remote.remove('nothing')).toBe(false);
    const cache = await opened('alice', 'writer');
    await cache.push(await built(cache, Buffer.from('one')));
    expect(await remote.remove(`d%C3%A9mo%2Fx/app/amd64/${names.key}`)).toBe(true);
    await remote.close();
    await cache.close();
  });
});
