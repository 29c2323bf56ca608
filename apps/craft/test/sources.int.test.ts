import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Header } from 'tar';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runLifecycle } from '../src/lifecycle/run-lifecycle.js';
import { createFixture, type Fixture } from './build-fixture.js';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.remove());

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { cwd: fixture.dir, stdio: 'pipe', env: gitEnv() }).toString();
const gitEnv = () => ({
  PATH: process.env.PATH,
  HOME: fixture.dir,
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@git.example',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@git.example',
});
const pull = (part: string) => runLifecycle(fixture.context(`parts: {app: {plugin: nil, ${part}}}`), 'pull');
const sources = () => fixture.tree('parts/app/src');

/** A tar archive out of raw headers, for what no tool would write. */
function rawTar(entries: { path: string; type?: string; linkpath?: string; body?: string; mode?: number }[]): Buffer {
  const blocks = entries.flatMap(({ path, type = 'File', linkpath, body = '', mode = 0o644 }) => {
    const header = new Header({
      path,
      type: type as 'File',
      linkpath: linkpath ?? '',
      mode,
      size: Buffer.byteLength(body),
      mtime: new Date(0),
    });
    const block = Buffer.alloc(512);
    header.encode(block);
    return [block, Buffer.concat([Buffer.from(body), Buffer.alloc((512 - (Buffer.byteLength(body) % 512)) % 512)])];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

describe('tar sources', () => {
  beforeEach(async () => {
    await fixture.files({ 'in/top-1.0/bin/run*': '#!/bin/sh\n', 'in/top-1.0/README': 'read' });
    await symlink('run', join(fixture.dir, 'in/top-1.0/bin/alias'));
  });

  it.each([
    ['tar', []],
    ['tar.gz', ['--gzip']],
    ['tar.xz', ['--xz']],
    ['tar.bz2', ['--bzip2']],
    ['tar.zst', ['--zstd']],
  ])('%s: one top directory is dropped, modes and links stay', async (extension, flags) => {
    run('tar', ...flags, '-cf', `a.${extension}`, '-C', 'in', 'top-1.0');
    await pull(`source: a.${extension}`);
    expect(await sources()).toEqual(['README', 'bin/alias', 'bin/run']);
    expect(await readlink(join(fixture.dir, 'parts/app/src/bin/alias'))).toBe('run');
    expect((await stat(join(fixture.dir, 'parts/app/src/bin/run'))).mode & 0o777).toBe(0o755);
  });

  it('several top entries stay as they are', async () => {
    run('tar', '-czf', 'a.tgz', '-C', 'in/top-1.0', '.');
    await pull('source: a.tgz');
    expect(await sources()).toEqual(['README', 'bin/alias', 'bin/run']);
  });

  it.each([
    ['climbing path', [{ path: '../evil', body: 'x' }], 'CRAFT_SOURCE_UNSAFE'],
    ['absolute path', [{ path: '/tmp/evil', body: 'x' }], 'CRAFT_SOURCE_UNSAFE'],
    ['absolute link', [{ path: 'l', type: 'SymbolicLink', linkpath: '/etc' }], 'CRAFT_SOURCE_UNSAFE'],
    ['climbing link', [{ path: 'a/l', type: 'SymbolicLink', linkpath: '../../x' }], 'CRAFT_SOURCE_UNSAFE'],
    [
      'entry through a link',
      [
        { path: 'd/', type: 'Directory', mode: 0o755 },
        { path: 'l', type: 'SymbolicLink', linkpath: 'd' },
        { path: 'l/x', body: 'x' },
      ],
      'CRAFT_TREE_UNSAFE',
    ],
    ['hard link out', [{ path: 'h', type: 'Link', linkpath: '../../../craft.yaml' }], 'CRAFT_SOURCE_UNSAFE'],
    [
      'hard link to a link',
      [
        { path: 's', type: 'SymbolicLink', linkpath: 'x' },
        { path: 'h', type: 'Link', linkpath: 's' },
      ],
      'CRAFT_TREE_UNSAFE',
    ],
    ['device', [{ path: 'dev', type: 'CharacterDevice' }], 'CRAFT_SOURCE_UNSAFE'],
    ['pipe', [{ path: 'fifo', type: 'FIFO' }], 'CRAFT_SOURCE_UNSAFE'],
  ])('refuses an archive with a %s', async (_name, entries, code) => {
    await writeFile(join(fixture.dir, 'evil.tar'), rawTar(entries));
    await expect(pull('source: evil.tar')).rejects.toMatchObject({ code });
    expect(await sources()).toEqual([]);
  });

  it.each([
    ['cut off', async (whole: Buffer) => whole.subarray(0, whole.length - 600)],
    ['no archive', async () => Buffer.from('<html>not found</html>')],
    ['empty', async () => Buffer.alloc(0)],
    [
      'damaged',
      async (whole: Buffer) => Buffer.concat([whole.subarray(0, 40), Buffer.alloc(40, 0xff), whole.subarray(80)]),
    ],
  ])('refuses one that is %s', async (_name, change) => {
    run('tar', '--xz', '-cf', 'a.tar.xz', '-C', 'in', 'top-1.0');
    const path = join(fixture.dir, 'a.tar.xz');
    await writeFile(path, await change(await readFile(path)));
    await expect(pull('source: a.tar.xz')).rejects.toMatchObject({ code: 'CRAFT_SOURCE_BROKEN' });
  });

  it('stops at a bomb', async () => {
    // More than a gibibyte of zeros in a few kilobytes: the header says so, and xz believes it.
    await fixture.files({ 'bomb/x': '' });
    run('truncate', '-s', '1100M', 'bomb/x');
    run('sh', '-c', 'tar -cf - -C bomb x | xz -0 > bomb.tar.xz');
    await rm(join(fixture.dir, 'bomb'), { recursive: true });
    await expect(pull('source: bomb.tar.xz')).rejects.toMatchObject({ code: 'CRAFT_SOURCE_TOO_LARGE' });
  }, 60_000);
});

describe('zip sources', () => {
  it('keep modes, links and the top directory', async () => {
    await fixture.files({ 'in/top/bin/run*': 'x', 'in/top/data': 'y' });
    await symlink('bin/run', join(fixture.dir, 'in/top/link'));
    run('python3', '-c', zipScript);
    await pull('source: a.zip');
    expect(await sources()).toEqual(['top/bin/run', 'top/data', 'top/link']);
    expect(await readlink(join(fixture.dir, 'parts/app/src/top/link'))).toBe('bin/run');
    expect((await stat(join(fixture.dir, 'parts/app/src/top/bin/run'))).mode & 0o111).not.toBe(0);
  });

  it.each([
    ['a climbing path', `z.writestr('../evil', 'x')`],
    ['an absolute path', `z.writestr('/tmp/evil', 'x')`],
    [
      'a climbing link',
      `i = zipfile.ZipInfo('l'); i.create_system = 3; i.external_attr = 0o120777 << 16; z.writestr(i, '../../x')`,
    ],
  ])('refuses %s', async (_name, line) => {
    run('python3', '-c', `import zipfile\nz = zipfile.ZipFile('evil.zip', 'w')\n${line}\nz.close()`);
    await expect(pull('source: evil.zip')).rejects.toMatchObject({ code: 'CRAFT_SOURCE_UNSAFE' });
  });

  it('refuses what is no zip', async () => {
    await fixture.files({ 'a.zip': 'not a zip' });
    await expect(pull('source: a.zip')).rejects.toMatchObject({ code: 'CRAFT_SOURCE_BROKEN' });
  });
});

const zipScript = `
import os, zipfile
z = zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED)
for root, dirs, files in os.walk('in'):
    for name in files:
        path = os.path.join(root, name)
        info = zipfile.ZipInfo(os.path.relpath(path, 'in'))
        info.create_system = 3
        info.external_attr = os.lstat(path).st_mode << 16
        z.writestr(info, os.readlink(path) if os.path.islink(path) else open(path).read())
z.close()
`;

describe('deb sources', () => {
  it.each(['gzip', 'xz', 'zstd', 'none'])('unpack data compressed with %s', async (compression) => {
    await fixture.files({
      'pkg/DEBIAN/control':
        'Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: a <a@deb.registry.example>\nDescription: x\n',
      'pkg/usr/bin/hello*': 'x',
    });
    await symlink('/usr/bin/hello', join(fixture.dir, 'pkg/usr/bin/hi'));
    run('dpkg-deb', `-Z${compression}`, '--root-owner-group', '--build', 'pkg', 'hello.deb');
    await pull('source: hello.deb');
    expect(await sources()).toEqual(['usr/bin/hello', 'usr/bin/hi']);
    expect(await readlink(join(fixture.dir, 'parts/app/src/usr/bin/hi'))).toBe('hello');
  });

  it.each([
    ['text', 'not a package'],
    ['a cut member', '!<arch>\ndebian-binary   0           0     0     100644  9999      `\n2.0\n'],
    ['another archive', `!<arch>\n${'other.o/'.padEnd(48)}${'4'.padEnd(10)}\`\n2.0\n`],
    ['no data', `!<arch>\n${'debian-binary'.padEnd(48)}${'4'.padEnd(10)}\`\n2.0\n`],
  ])('refuse %s', async (_name, text) => {
    await fixture.files({ 'x.deb': text });
    await expect(pull('source: x.deb')).rejects.toMatchObject({ code: 'CRAFT_SOURCE_BROKEN' });
  });
});

describe('git sources', () => {
  let first: string;
  beforeEach(async () => {
    await mkdir(join(fixture.dir, 'repo'));
    run('git', '-C', 'repo', 'init', '-q', '-b', 'main');
    await fixture.files({ 'repo/file': 'one' });
    run('git', '-C', 'repo', 'add', '.');
    run('git', '-C', 'repo', 'commit', '-qm', 'one');
    first = run('git', '-C', 'repo', 'rev-parse', 'HEAD').trim();
    run('git', '-C', 'repo', 'tag', '-a', 'v1', '-m', 'v1');
    run('git', '-C', 'repo', 'branch', 'old');
    await fixture.files({ 'repo/file': 'two' });
    run('git', '-C', 'repo', 'commit', '-qam', 'two');
  });

  it.each([
    ['the default branch', '', 'two'],
    ['a branch', ', source-branch: old', 'one'],
    ['an annotated tag', ', source-tag: v1', 'one'],
  ])('check out %s, shallow and whole', async (_name, keys, wanted) => {
    for (const [inSession, depth] of [
      [true, '1'],
      [false, wanted === 'two' ? '2' : '1'],
    ] as const) {
      const context = fixture.context(`parts: {app: {plugin: nil, source: repo, source-type: git${keys}}}`, {
        inSession,
      });
      await runLifecycle(context, 'pull');
      expect(await fixture.read('parts/app/src/file')).toBe(wanted);
      expect(run('git', '-C', 'parts/app/src', 'rev-list', '--count', 'HEAD').trim()).toBe(depth);
    }
  });

  it('check out a commit, whole or shortened, and remember it', async () => {
    for (const commit of [first, first.slice(0, 10)]) {
      const context = fixture.context(
        `parts: {app: {plugin: nil, source: repo, source-type: git, source-commit: '${commit}'}}`,
      );
      await runLifecycle(context, 'pull');
      expect(await fixture.read('parts/app/src/file')).toBe('one');
      expect((await context.states.read('app', 'pull'))?.outcome).toEqual({ commit: first });
    }
  });

  it('leave .git out of what dump installs', async () => {
    await runLifecycle(fixture.context('parts: {app: {plugin: dump, source: repo, source-type: git}}'), 'prime');
    expect(await fixture.tree('prime')).toEqual(['file']);
  });

  it('work in an override script around the default', async () => {
    const yaml = `adopt-info: app
parts:
  app:
    plugin: nil
    source: repo
    source-type: git
    override-pull: |
      craftctl default
      craftctl set version="$(git describe --tags | tr - +)"
`;
    const context = fixture.context(yaml);
    await runLifecycle(context, 'pull');
    expect(context.variables.get('version')).toMatch(/^v1\+1\+g/);
  });

  it('fail with what git said', async () => {
    await expect(pull('source: repo, source-type: git, source-branch: absent')).rejects.toMatchObject({
      code: 'CRAFT_SOURCE_GIT_FAILED',
      details: expect.arrayContaining([expect.stringContaining('absent')]),
    });
  });
});

describe('downloads', () => {
  let server: Server;
  let base: string;
  let requests: string[];
  const body = Buffer.from('content of the file');
  const sha256 = createHash('sha256').update(body).digest('hex');
  let failures = 0;

  beforeEach(async () => {
    requests = [];
    failures = 0;
    server = createServer((request, response) => {
      requests.push(request.url ?? '');
      if (request.url === '/moved/a.bin') return response.writeHead(302, { location: '/a.bin' }).end();
      if (request.url === '/loop.bin') return response.writeHead(302, { location: '/loop.bin' }).end();
      if (request.url === '/ftp.bin') return response.writeHead(302, { location: 'ftp://files.example/x' }).end();
      if (request.url === '/refused.bin') return response.writeHead(403).end('no inspector claims this request\n');
      if (request.url === '/flaky.bin' && failures++ < 1) return response.writeHead(503).end();
      if (request.url === '/cut.bin' && failures++ < 1) {
        response.writeHead(200, { 'content-length': '100' });
        response.write('half');
        return setTimeout(() => response.destroy(), 50);
      }
      if (/^\/(a|flaky|cut)\.bin/.test(request.url ?? '')) return response.end(body);
      return response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => server.close());

  const file = (path: string, more = '') => pull(`source: '${base}${path}', source-type: file${more}`);

  it('come whole, over redirects, with their checksum', async () => {
    await file('/moved/a.bin', `, source-checksum: sha256/${sha256}`);
    expect(await fixture.read('parts/app/src/a.bin')).toBe(body.toString());
    expect(requests).toEqual(['/moved/a.bin', '/a.bin']);
  });

  it.each(['md5', 'sha1', 'sha224', 'sha384', 'sha512', 'sha3_256', 'sha3_384', 'sha3_512'])(
    'are checked with %s',
    async (algorithm) => {
      const hex = createHash(algorithm.replace('_', '-')).update(body).digest('hex');
      await file('/a.bin', `, source-checksum: ${algorithm}/${hex}`);
      await expect(
        file('/a.bin', `, source-checksum: ${algorithm}/${hex.replace(/.$/, (c) => (c === '0' ? '1' : '0'))}`),
      ).rejects.toMatchObject({ code: 'CRAFT_SOURCE_CHECKSUM' });
    },
  );

  it.each(['/flaky.bin', '/cut.bin'])('are tried again: %s', async (path) => {
    await file(path);
    expect(requests).toHaveLength(2);
    expect(await fixture.read(`parts/app/src${path}`)).toBe(body.toString());
  });

  it.each([
    ['/absent.bin', 'CRAFT_SOURCE_MISSING', 'status 404'],
    ['/refused.bin', 'CRAFT_SOURCE_DOWNLOAD_FAILED', 'no inspector claims this request'],
    ['/loop.bin', 'CRAFT_SOURCE_DOWNLOAD_FAILED', 'redirects more than'],
    ['/ftp.bin', 'CRAFT_SOURCE_DOWNLOAD_FAILED', 'ftp:'],
  ])('fail for %s at once', async (path, code, text) => {
    await expect(file(path)).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
    expect(await sources()).toEqual([]);
  });

  it('go through the proxy of the environment', async () => {
    const seen: string[] = [];
    const proxy = createServer((request, response) => {
      seen.push(`${request.url} ${request.headers['proxy-authorization']}`);
      response.end(body);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const context = fixture.context(
      `parts: {app: {plugin: nil, source: 'http://files.example/a.bin?x=1', source-type: file}}`,
    );
    const baseEnv = {
      ...context.baseEnv,
      http_proxy: `http://user:p%40ss@127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    };
    await runLifecycle({ ...context, baseEnv }, 'pull');
    proxy.close();
    expect(seen).toEqual([`http://files.example/a.bin?x=1 Basic ${Buffer.from('user:p@ss').toString('base64')}`]);
  });
});
