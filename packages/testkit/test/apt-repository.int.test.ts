import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AptUpstream,
  type BuiltAptRepository,
  buildAptRepository,
  createAptSandbox,
  runProgram,
  startAptUpstream,
} from '../src/index.js';

describe('apt repository, upstream and sandbox with the real apt', () => {
  let dir: string;
  let repository: BuiltAptRepository;
  let upstream: AptUpstream;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'wb-apt-'));
    repository = await buildAptRepository({
      dir: join(dir, 'repository'),
      suites: ['stable', 'testing'],
      components: ['main', 'extra'],
      packages: [
        { name: 'libtiny', version: '1:2.0-1', arch: 'amd64', files: { 'usr/lib/tiny.txt': 'tiny\n' } },
        {
          name: 'tiny',
          version: '1.5~rc1+b2',
          arch: 'all',
          depends: 'libtiny',
          files: { 'usr/bin/tiny': '#!/bin/sh\n' },
        },
        { name: 'spare', version: '3', arch: 'amd64', component: 'extra', suites: ['testing'], compression: 'zstd' },
      ],
    });
    upstream = await startAptUpstream({ dir: repository.dir });
  });

  afterAll(async () => {
    await upstream?.close();
    await repository?.close();
    await rm(dir, { recursive: true, force: true });
  });

  const sandbox = (name: string, line: string, config?: string) =>
    createAptSandbox({
      dir: join(dir, name),
      sources: [`deb ${upstream.url} ${line}`],
      keyring: repository.publicKeyArmor,
      ...(config !== undefined && { config }),
    });

  it('has the files of an archive', async () => {
    const files = await repository.files();
    expect(files).toEqual(
      expect.arrayContaining([
        'dists/stable/InRelease',
        'dists/stable/Release',
        'dists/stable/Release.gpg',
        'dists/stable/main/binary-amd64/Packages',
        'dists/stable/main/binary-amd64/Packages.gz',
        'dists/stable/main/binary-amd64/Packages.xz',
        'dists/stable/main/cnf/Commands-amd64.xz',
        'dists/stable/main/i18n/Translation-en.xz',
        'pool/main/t/tiny/tiny_1.5~rc1+b2_all.deb',
      ]),
    );
    const packages = await readFile(join(repository.dir, 'dists/stable/main/binary-amd64/Packages.xz'));
    const hex = createHash('sha256').update(packages).digest('hex');
    expect(files).toContain(`dists/stable/main/binary-amd64/by-hash/SHA256/${hex}`);
    const release = await readFile(join(repository.dir, 'dists/stable/Release'), 'utf8');
    expect(release).toContain(` ${hex} `);
    expect(release).not.toMatch(/^SHA1:/m);
  });

  it('updates, downloads and installs with apt', async () => {
    const apt = await sandbox('plain', 'stable main extra');
    const update = await apt.aptGet('update');
    expect(update, update.stderr).toMatchObject({ code: 0 });
    expect((await apt.lists()).length).toBeGreaterThanOrEqual(3);
    const install = await apt.aptGet('install', '--download-only', 'tiny');
    expect(install, install.stderr).toMatchObject({ code: 0 });
    expect(await apt.archives()).toEqual(['libtiny_1%3a2.0-1_amd64.deb', 'tiny_1.5~rc1+b2_all.deb']);
    expect(await apt.aptGet('download', 'tiny')).toMatchObject({ code: 0 });
    expect(await apt.downloads()).toEqual(['tiny_1.5~rc1+b2_all.deb']);
    expect((await apt.aptCache('show', 'tiny')).stdout).toContain('Version: 1.5~rc1+b2');
    const paths = upstream.requests.map(({ path }) => path);
    expect(paths).toContain('dists/stable/InRelease');
    expect(paths.some((path) => path.includes('/by-hash/SHA256/'))).toBe(true);
  });

  it('is refused by apt when it tampers', async () => {
    upstream.setTamper(async (path, content) =>
      path.endsWith('InRelease')
        ? Buffer.from((await content()).toString().replace('Test Archive', 'Best Archive'))
        : undefined,
    );
    const apt = await sandbox('tampered', 'stable main');
    const update = await apt.aptGet('update', '-o', 'APT::Update::Error-Mode=any');
    upstream.setTamper(undefined);
    expect(update.code).not.toBe(0);
  });

  it('serves ranges and conditional requests', async () => {
    const url = `${upstream.url}/dists/stable/Release`;
    const whole = await (await fetch(url)).text();
    const part = await fetch(url, { headers: { range: 'bytes=2-5' } });
    expect(part.status).toBe(206);
    expect(await part.text()).toBe(whole.slice(2, 6));
    const modified = (await fetch(url, { method: 'HEAD' })).headers.get('last-modified') ?? '';
    expect((await fetch(url, { headers: { 'if-modified-since': modified } })).status).toBe(304);
    expect((await fetch(url, { headers: { range: 'bytes=99999999-' } })).status).toBe(416);
    expect((await fetch(`${upstream.url}/none`)).status).toBe(404);
    expect((await fetch(`${upstream.url}/../../etc/passwd`)).status).toBe(404);
  });

  it('builds what dpkg can read', async () => {
    const spare = repository.debs.find((path) => path.includes('spare')) ?? '';
    const { stdout } = await runProgram('dpkg-deb', ['--field', join(repository.dir, spare), 'Package', 'Version']);
    expect(stdout).toContain('spare');
  });
});
