import { spawnSync } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { cacheArtifactKeys } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { type Cache, openCache } from '../src/index.js';
import { builtPart, namesOf, sha256, temporaryDirectory, writeTree } from './scene.js';

async function opened(dir: string, options: { quotaBytes?: number; leaseMs?: number } = {}): Promise<Cache> {
  return await openCache({ local: { dir: join(dir, 'cache'), ...options } });
}

async function contentFiles(dir: string): Promise<string[]> {
  const all = await readdir(join(dir, 'cache/content'), { recursive: true, withFileTypes: true });
  return all.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

describe('local cache', () => {
  it('stores a built part and gives it back as it was', async () => {
    await using dir = await temporaryDirectory();
    const cache = await opened(dir.path);
    const names = namesOf('app');
    const stored = await cache.store(await builtPart(dir.path, names));
    expect(stored.manifest).toMatchObject({
      part: 'app',
      key: names.key,
      'session-policy': 'strict',
      details: { version: '1.2' },
    });

    const found = await (await opened(dir.path)).pull(names);
    expect(found?.blob).toEqual(stored.blob);
    expect(found?.origin).toEqual({ remote: 'local' });
    expect((await found?.read('record'))?.toString()).toBe('{"artifacts":[]}');
    expect((await found?.read('key-document'))?.toString()).toBe('{"part":"app"}');

    const to = join(dir.path, 'restored');
    await found?.restore({ install: to });
    expect(await readFile(join(to, 'bin/tool'), 'utf8')).toContain('echo hello');
    expect((await lstat(join(to, 'bin/tool'))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(to, 'bin/alias'))).toBe('tool');
    expect((await lstat(join(to, 'var/empty'))).isDirectory()).toBe(true);
  });

  it('finds by the weak key only when asked', async () => {
    await using dir = await temporaryDirectory();
    const cache = await opened(dir.path);
    const names = namesOf('app');
    await cache.store(await builtPart(dir.path, names));
    const other = { ...names, key: sha256('another') };
    expect(await cache.pull(other)).toBeUndefined();
    expect((await cache.pull(other, { weak: true }))?.manifest.key).toBe(names.key);
  });

  it('is bit for bit the same manifest for the same tree, whatever the order on disk', async () => {
    await using dir = await temporaryDirectory();
    const cache = await opened(dir.path);
    const names = namesOf('app');
    const one = await cache.store(await builtPart(dir.path, names));
    const two = await cache.store(await builtPart(dir.path, names));
    expect(two.blob).toEqual(one.blob);
  });

  it.each<[string, (file: string) => Promise<void>]>([
    ['changed', async (file) => await writeFile(file, 'X'.repeat((await lstat(file)).size))],
    ['cut short', async (file) => await truncate(file, 0)],
    ['gone', async (file) => await rm(file)],
    [
      'replaced by a link',
      async (file) => {
        await rm(file);
        await symlink('/etc/passwd', file);
      },
    ],
  ])('takes an artifact whose content is %s for a miss', async (_what, damage) => {
    await using dir = await temporaryDirectory();
    const cache = await opened(dir.path);
    const names = namesOf('app');
    const part = await builtPart(dir.path, names);
    await cache.store(part);
    const digest = sha256(await readFile(join(part.trees.install as string, 'bin/tool')));
    await damage(join(dir.path, 'cache/content', digest.slice(0, 2), digest));
    expect(await cache.pull(names)).toBeUndefined();
    await cache.store(part);
    expect(await cache.pull(names)).toBeDefined();
  });

  it('takes a damaged name or manifest for a miss', async () => {
    await using dir = await temporaryDirectory();
    const cache = await opened(dir.path);
    const names = namesOf('app');
    const { blob } = await cache.store(await builtPart(dir.path, names));
    const entry = join(dir.path, 'cache/entries', `${sha256(cacheArtifactKeys(names).strong)}.json`);
    await writeFile(entry, '{ half');
    expect(await cache.pull(names)).toBeUndefined();
    await expect(lstat(entry)).rejects.toThrow('ENOENT');

    await cache.store(await builtPart(dir.path, names));
    await writeFile(join(dir.path, 'cache/content', blob.sha256.slice(0, 2), blob.sha256), 'nonsense');
    expect(await cache.pull(names)).toBeUndefined();
  });

  it('lists and removes names', async () => {
    await using dir = await temporaryDirectory();
    const cache = await opened(dir.path);
    const app = namesOf('app');
    await cache.store(await builtPart(dir.path, app));
    await cache.store(await builtPart(dir.path, namesOf('lib')));
    expect((await cache.list('demo/app/')).map(({ key }) => key)).toEqual([`demo/app/amd64/${app.key}`]);
    expect(await cache.list()).toHaveLength(4);
    expect(await cache.remove(app)).toBe(2);
    expect(await cache.remove(app)).toBe(0);
    expect(await cache.pull(app)).toBeUndefined();
  });

  it('does not take what the caller does not accept', async () => {
    await using dir = await temporaryDirectory();
    const cache = await opened(dir.path);
    const names = namesOf('app');
    await cache.store(await builtPart(dir.path, names));
    const seen: string[] = [];
    const accept = ({ origin }: { origin: { remote: string } }) => {
      seen.push(origin.remote);
      return 'not from here';
    };
    expect(await cache.pull(names, { accept })).toBeUndefined();
    expect(seen).toEqual(['local']);
  });

  it('keeps to the quota: what was used longest ago goes first, and its content with it', async () => {
    await using dir = await temporaryDirectory();
    const cache = await opened(dir.path, { quotaBytes: 70_000, leaseMs: 0 });
    const names = ['a', 'b', 'c', 'd'].map((part) => namesOf(part));
    for (const [index, one] of names.entries()) {
      const tree = await writeTree(join(dir.path, one.part), { blob: Buffer.alloc(20_000, index) });
      await cache.store({ names: one, trees: { install: tree }, builtBy: 't', createdAt: new Date() });
      await age(dir.path, one, 100 - index * 10);
      // `a` is used again after `b` was stored.
      if (index === 1 && names[0]) {
        await cache.pull(names[0]);
        await age(dir.path, names[0], 5);
      }
    }
    const left = (await cache.list('demo/')).map(({ manifest }) => manifest.part);
    expect(left).not.toContain('b');
    expect(left).toContain('a');
    expect(left).toContain('d');
    const bytes = await Promise.all((await contentFiles(dir.path)).map(async (file) => (await lstat(file)).size));
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(70_000);
    for (const part of left) expect(await cache.pull(names.find((one) => one.part === part) as never)).toBeDefined();
  });

  it('keeps to the quota also when whoever collected before was killed', async () => {
    await using dir = await temporaryDirectory();
    const gone = spawnSync(process.execPath, ['-e', '0']).pid;
    const cache = await opened(dir.path, { quotaBytes: 30_000, leaseMs: 0 });
    await writeFile(join(dir.path, 'cache/collect.lock'), String(gone));
    for (const part of ['a', 'b', 'c']) {
      const tree = await writeTree(join(dir.path, part), { blob: Buffer.alloc(20_000, part) });
      await cache.store({ names: namesOf(part), trees: { install: tree }, builtBy: 't', createdAt: new Date() });
    }
    expect((await cache.list('demo/')).length).toBeLessThan(3);
    expect(await readdir(join(dir.path, 'cache'))).not.toContain('collect.lock');

    // One that is held is left alone.
    await writeFile(join(dir.path, 'cache/collect.lock'), String(process.pid));
    const tree = await writeTree(join(dir.path, 'd'), { blob: Buffer.alloc(60_000, 'd') });
    await cache.store({ names: namesOf('d'), trees: { install: tree }, builtBy: 't', createdAt: new Date() });
    expect(await readdir(join(dir.path, 'cache'))).toContain('collect.lock');
  });

  it('lets two of itself write and collect at once', async () => {
    await using dir = await temporaryDirectory();
    const caches = await Promise.all([1, 2, 3].map(() => opened(dir.path, { quotaBytes: 30_000 })));
    const names = Array.from({ length: 12 }, (_, index) => namesOf(`part-${index % 4}`));
    await Promise.all(
      names.map(async (one, index) => {
        const cache = caches[index % 3] as Cache;
        await cache.store(await builtPart(dir.path, one, `text ${index}`));
        expect((await cache.pull(one))?.manifest.key).toBe(one.key);
      }),
    );
  });

  it.each<[string, (dir: string) => Promise<void>]>([
    ['a socket', listenIn],
    [
      'a set-user-id program',
      async (dir) => {
        await writeFile(join(dir, 'su'), '');
        await chmod(join(dir, 'su'), 0o4755);
      },
    ],
    [
      'a sticky directory',
      async (dir) => {
        await mkdir(join(dir, 'tmp'));
        await chmod(join(dir, 'tmp'), 0o1777);
      },
    ],
    ['a name with a line break', async (dir) => await writeFile(join(dir, 'a\nb'), '')],
    [
      'a name that is not UTF-8',
      async (dir) => await writeFile(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff])]), ''),
    ],
  ])('refuses a tree with %s', async (_what, make) => {
    await using dir = await temporaryDirectory();
    const tree = await writeTree(join(dir.path, 'tree'), {});
    await make(tree);
    const cache = await opened(dir.path);
    const storing = cache.store({
      names: namesOf('app'),
      trees: { install: tree },
      builtBy: 't',
      createdAt: new Date(),
    });
    await expect(storing).rejects.toMatchObject({ code: 'CACHE_TREE_UNSUPPORTED' });
    expect(await cache.list()).toEqual([]);
  });

  it('writes into an empty directory only', async () => {
    await using dir = await temporaryDirectory();
    const cache = await opened(dir.path);
    const artifact = await cache.store(await builtPart(dir.path, namesOf('app')));
    const used = await writeTree(join(dir.path, 'used'), { 'bin/tool': 'mine' });
    await expect(artifact.restore({ install: used })).rejects.toMatchObject({ code: 'CACHE_TARGET_IN_USE' });
    expect(await readFile(join(used, 'bin/tool'), 'utf8')).toBe('mine');
  });

  it('says what is wrong with a directory that it cannot use', async () => {
    await using dir = await temporaryDirectory();
    await writeFile(join(dir.path, 'cache'), 'a file');
    await expect(opened(dir.path)).rejects.toMatchObject({ code: 'CACHE_LOCAL_FAILED', hint: expect.any(String) });
  });
});

/** Makes the names of an artifact as if last used some seconds ago. */
async function age(dir: string, names: ReturnType<typeof namesOf>, seconds: number): Promise<void> {
  const { strong, weak } = cacheArtifactKeys(names);
  const then = new Date(Date.now() - seconds * 1000);
  for (const key of [strong, weak as string]) {
    await utimes(join(dir, 'cache/entries', `${sha256(key)}.json`), then, then).catch(() => undefined);
  }
}

async function listenIn(dir: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((done) => void server.listen(join(dir, 'socket'), done));
  server.unref();
}
