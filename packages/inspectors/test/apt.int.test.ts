import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspectorsConfigSchema } from '@waybill/contracts';
import {
  type AptRepositoryOptions,
  type AptSandbox,
  type AptUpstream,
  type BuiltAptRepository,
  buildAptRepository,
  createAptSandbox,
  createAptSigningKey,
  startAptUpstream,
} from '@waybill/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { helloCopyright } from './apt-fixtures.js';
import { type InspectingProxy, startInspectingProxy } from './inspecting-proxy.js';

const packages: AptRepositoryOptions['packages'] = [
  {
    name: 'libhello',
    version: '2:1.0+dfsg-1',
    arch: 'amd64',
    source: 'hello-source (1.0)',
    description: 'library of hello\nSays it\n\nin colour.',
    files: { 'usr/lib/libhello.so.1': Buffer.alloc(300_000, 'x'), 'usr/share/doc/libhello/copyright': helloCopyright },
  },
  {
    name: 'hello',
    version: '1.0~rc1',
    arch: 'all',
    depends: 'libhello',
    compression: 'zstd',
    files: { 'usr/bin/hello': '#!/bin/sh\n' },
  },
  { name: 'hello-extra', version: '3', arch: 'amd64', component: 'extra', compression: 'gzip', depends: 'hello' },
  { name: 'hello-plain', version: '4', arch: 'amd64', component: 'extra', compression: 'none' },
];

/** What appstream, command-not-found and apt-file add to a machine's apt. */
const moreTargets = `
Acquire::IndexTargets::deb::CNF { MetaKey "$(COMPONENT)/cnf/Commands-$(NATIVE_ARCHITECTURE)"; ShortDescription "c"; Description "c"; };
Acquire::IndexTargets::deb::DEP-11 { MetaKey "$(COMPONENT)/dep11/Components-$(NATIVE_ARCHITECTURE).yml"; ShortDescription "d"; Description "d"; KeepCompressed "true"; };
Acquire::IndexTargets::deb::Contents-deb { MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)"; ShortDescription "f"; Description "f"; KeepCompressed "true"; };
`;

let dir: string;
let repository: BuiltAptRepository;
let upstream: AptUpstream;
let proxy: InspectingProxy;
let count = 0;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wb-apt-int-'));
  repository = await buildAptRepository({
    dir: join(dir, 'repository'),
    suites: ['stable'],
    components: ['main', 'extra'],
    packages,
    validUntil: new Date(Date.now() + 3_600_000),
    releaseFields: { Origin: 'Debian' },
    indexes: {
      'main/dep11/Components-amd64.yml': 'File: DEP-11\n',
      'main/Contents-amd64': 'usr/bin/hello misc/hello\n',
      'main/binary-amd64/Packages.diff/Index': 'SHA256-Current: x\n',
      'main/source/Sources': '',
    },
  });
  upstream = await startAptUpstream({ dir: repository.dir });
});

afterAll(async () => {
  await upstream?.close();
  await repository?.close();
  await rm(dir, { recursive: true, force: true });
});

afterEach(async () => {
  upstream.setTamper(undefined);
  await proxy?.close();
});

async function open(
  options: { keyring?: string; config?: string; line?: string; repository?: object } = {},
): Promise<AptSandbox> {
  proxy = await startInspectingProxy({
    config: inspectorsConfigSchema.parse({
      apt: {
        repositories: {
          test: { urls: [upstream.url], suites: ['*'], 'public-key': repository.publicKeyArmor, ...options.repository },
        },
      },
    }),
    scratchDir: join(dir, 'scratch'),
  });
  count += 1;
  return createAptSandbox({
    dir: join(dir, `apt-${count}`),
    sources: [`deb ${upstream.url} ${options.line ?? 'stable main extra'}`],
    keyring: options.keyring ?? repository.publicKeyArmor,
    proxy: proxy.url,
    ...(options.config !== undefined && { config: options.config }),
  });
}

const refused = () => proxy.log.filter(({ result }) => result === 'Rejected');
const find = (part: string) => proxy.log.find(({ url, status }) => status === 200 && url.includes(part));
const strictly = ['-o', 'APT::Update::Error-Mode=any'];

describe('the real apt in a strict session', () => {
  it.each<[string, string]>([
    ['by hash', ''],
    ['by name', 'Acquire::By-Hash "no";'],
    ['plain indexes', 'Acquire::By-Hash "no"; Acquire::CompressionTypes::Order { "uncompressed"; };'],
    ['gzip indexes', 'Acquire::CompressionTypes::Order { "gz"; };'],
    ['with indexes of other tools', moreTargets],
  ])('updates and installs: %s', async (_name, config) => {
    const apt = await open({ config });
    const update = await apt.aptGet('update', ...strictly);
    expect(update, update.stderr).toMatchObject({ code: 0 });
    const install = await apt.aptGet('install', '--download-only', 'hello-extra', 'hello-plain');
    expect(install, install.stderr).toMatchObject({ code: 0 });
    expect(await apt.archives()).toHaveLength(4);
    expect(await apt.aptGet('download', 'hello')).toMatchObject({ code: 0 });
    expect(refused()).toEqual([]);
    const kinds = proxy.log.map(({ url }) => /dep11|Contents|cnf|main\/by-hash/.exec(url)?.[0]).filter(Boolean);
    expect([...new Set(kinds)].sort()).toEqual(config === moreTargets ? ['cnf', 'dep11', 'main/by-hash'] : []);
    const files = proxy.log.filter(({ sha256 }) => sha256 !== undefined);
    expect(files.length).toBeGreaterThanOrEqual(9);
    for (const file of files) {
      const path = decodeURIComponent(new URL(file.url).pathname).replace(/^\/debian\//, '');
      const bytes = await readFile(join(repository.dir, path));
      expect(file.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
      if (!path.endsWith('Release')) expect(file.vouched, path).toBe(true);
    }
  });

  it('reports what a package is', async () => {
    const apt = await open();
    await apt.aptGet('update');
    await apt.aptGet('install', '--download-only', 'hello');
    expect(find('/libhello_')?.inspections).toMatchObject({
      metadata: {
        type: 'application/vnd.debian.binary-package',
        name: 'libhello',
        version: '2:1.0+dfsg-1',
        architecture: 'amd64',
        description: 'Library of hello',
        license: 'GPL-2.0-or-later AND MIT',
        author: 'An Author',
        'source-package': 'hello-source',
        'apt-suite': 'stable',
        purl: 'pkg:deb/debian/libhello@2:1.0+dfsg-1?arch=amd64&distro=stable',
      },
      vouchedBy: [{ kind: 'artifact', inspector: 'apt.packages', name: 'Packages' }],
    });
    expect(find('/InRelease')?.inspections).toMatchObject({
      metadata: { type: 'application/x.apt.release', vendor: 'Debian' },
      vouchedBy: [{ kind: 'key', id: repository.key.fingerprint }],
    });
    expect(find('/cnf/')).toBeUndefined();
    expect(proxy.runtime.stats().parses).toBe(0);
  });

  it('uses Release and Release.gpg when there is no InRelease', async () => {
    upstream.setTamper((path) => (path.endsWith('InRelease') ? { status: 404 } : undefined));
    const apt = await open();
    const update = await apt.aptGet('update', ...strictly);
    expect(update, update.stderr).toMatchObject({ code: 0 });
    expect(await apt.aptGet('download', 'hello')).toMatchObject({ code: 0 });
    expect(find('/Release.gpg')?.result).toBe('Approved');
    expect(refused()).toEqual([]);
  });

  it('falls back to the whole index where it offers differences', async () => {
    const apt = await open({ config: 'Acquire::PDiffs "true"; Acquire::By-Hash "no";' });
    expect(await apt.aptGet('update', ...strictly)).toMatchObject({ code: 0 });
    const index = (await apt.lists()).find((name) => name.endsWith('main_binary-amd64_Packages')) ?? '';
    const path = join(apt.dir, 'state/lists', index);
    await writeFile(path, (await readFile(path, 'utf8')).replace('misc', 'oldmisc'));
    await utimes(path, 0, 0);
    await rm(join(apt.dir, 'state/lists', index.replace('main_binary-amd64_Packages', 'InRelease')));
    const update = await apt.aptGet('update', ...strictly);
    expect(update, update.stderr).toMatchObject({ code: 0 });
    expect(refused().length).toBeGreaterThan(0);
    for (const { url, reason } of refused()) expect(`${url} ${reason}`).toMatch(/Packages\.diff\/Index\S* .*pdiff/);
    expect(await readFile(path, 'utf8')).not.toContain('oldmisc');
  });

  it('goes on when the repository is updated within the session', async () => {
    const apt = await open();
    expect(await apt.aptGet('update', ...strictly)).toMatchObject({ code: 0 });
    const release = join(repository.dir, 'dists/stable/Release');
    const before = await readFile(release, 'utf8');
    const later = new Date(Date.now() + 2_000).toUTCString().replace('GMT', 'UTC');
    await writeFile(release, before.replace(/^Date: .*$/m, `Date: ${later}`));
    await repository.sign('stable');
    try {
      const fresh = await createAptSandbox({
        dir: join(dir, 'apt-fresh'),
        sources: [`deb ${upstream.url} stable main`],
        keyring: repository.publicKeyArmor,
        proxy: proxy.url,
      });
      expect(await fresh.aptGet('update', ...strictly)).toMatchObject({ code: 0 });
      expect(await apt.aptGet('download', 'hello')).toMatchObject({ code: 0 });
      expect(refused()).toEqual([]);
    } finally {
      await writeFile(release, before);
      await repository.sign('stable');
    }
  });

  it.each<[string, (path: string) => boolean, (content: Buffer) => Buffer, RegExp]>([
    [
      'an InRelease',
      (path) => path.endsWith('InRelease'),
      (content) => Buffer.from(content.toString().replace('Test Archive', 'Best Archive')),
      /no valid signature/,
    ],
    [
      'a Packages file',
      (path) => path.includes('binary-amd64/'),
      flip,
      /^apt\.release: Packages file has sha256 .*tampered with/,
    ],
    ['a Translation file', (path) => path.includes('i18n/'), flip, /Translation file has sha256/],
    [
      'a cut Packages file',
      (path) => path.includes('binary-amd64/'),
      (content) => content.subarray(0, -1),
      /has \d+ bytes, .* lists \d+/,
    ],
  ])('stops the update for %s that was changed', async (_name, hit, change, reason) => {
    upstream.setTamper(async (path, content) => (hit(path) ? change(await content()) : undefined));
    const apt = await open();
    const update = await apt.aptGet('update', ...strictly);
    expect(update.code).not.toBe(0);
    expect(refused().map((one) => one.reason)).toContainEqual(expect.stringMatching(reason));
    expect(update.stdout + update.stderr).toMatch(/403/);
  });

  it('stops a download that was changed', async () => {
    upstream.setTamper(async (path, content) => (path.endsWith('.deb') ? flip(await content()) : undefined));
    const apt = await open();
    expect(await apt.aptGet('update', ...strictly)).toMatchObject({ code: 0 });
    expect((await apt.aptGet('download', 'hello')).code).not.toBe(0);
    expect(await apt.downloads()).toEqual([]);
    expect(refused()[0]?.reason).toMatch(/apt\.packages: pool\/main\/h\/hello\/hello_1\.0~rc1_all\.deb has sha256 /);
  });

  it('verifies packages whose indexes apt kept from an earlier session', async () => {
    const apt = await open();
    expect(await apt.aptGet('update', ...strictly)).toMatchObject({ code: 0 });
    await proxy.close();
    await open();
    const conf = join(apt.dir, 'apt.conf');
    const text = await readFile(conf, 'utf8');
    await writeFile(conf, text.replaceAll(/http:\/\/127\.0\.0\.1:\d+"/g, `${proxy.url}"`));
    expect((await apt.aptGet('download', 'hello')).code).not.toBe(0);
    expect(refused()[0]?.reason).toMatch(/no Packages index .* run apt-get update in the same session/);
    // apt asks for the release only: the rest it still has.
    expect(await apt.aptGet('update', ...strictly)).toMatchObject({ code: 0 });
    expect(find('/by-hash/')).toBeUndefined();
    const download = await apt.aptGet('download', 'hello', 'hello-extra');
    expect(download, download.stderr).toMatchObject({ code: 0 });
    expect(find('/hello_')?.inspections?.vouchedBy).toMatchObject([{ kind: 'artifact', name: 'InRelease' }]);
  });

  it('refuses a suite, a component and a repository that are not configured', async () => {
    const apt = await open({ repository: { components: ['main'] } });
    expect((await apt.aptGet('update', ...strictly)).code).not.toBe(0);
    expect(refused().every(({ url }) => url.includes('/extra/'))).toBe(true);
    await proxy.close();
    const suite = await open({ repository: { suites: ['testing'] } });
    expect((await suite.aptGet('update', ...strictly)).code).not.toBe(0);
    expect(refused()[0]?.reason).toMatch(/suite is not among/);
  });

  it('refuses a repository signed by another key, an expired and a stale one', async () => {
    const key = await createAptSigningKey({
      userId: 'Other <other@deb.registry.example>',
      algorithm: 'rsa3072',
      subkey: false,
    });
    try {
      const apt = await open({ repository: { 'public-key': key.publicKeyArmor } });
      expect((await apt.aptGet('update', ...strictly)).code).not.toBe(0);
      expect(refused()[0]?.reason).toMatch(/none of them a configured key/);
      await proxy.close();
      const old = await buildAptRepository({
        dir: join(dir, 'old'),
        packages: packages.slice(0, 1),
        key,
        date: new Date(Date.now() - 30 * 86_400_000),
        validUntil: new Date(Date.now() - 86_400_000),
      });
      const stale = await startAptUpstream({ dir: old.dir });
      try {
        const line = 'stable main';
        const rules = { urls: [stale.url], 'public-key': key.publicKeyArmor };
        const unwilling = await open({ repository: rules });
        await writeFile(
          join(unwilling.dir, 'etc/sources.list'),
          `deb [signed-by=${unwilling.dir}/etc/archive.asc] ${stale.url} ${line}\n`,
        );
        expect((await unwilling.aptGet('update', ...strictly)).code).not.toBe(0);
        expect(refused()[0]?.reason).toMatch(/expired at .* allow-expired/);
        await proxy.close();
        const willing = await open({
          keyring: key.publicKeyArmor,
          repository: { ...rules, 'allow-expired': true },
          config: 'Acquire::Check-Valid-Until "false";',
        });
        await writeFile(
          join(willing.dir, 'etc/sources.list'),
          `deb [signed-by=${willing.dir}/etc/archive.asc] ${stale.url} ${line}\n`,
        );
        const update = await willing.aptGet('update', ...strictly);
        expect(update, update.stderr).toMatchObject({ code: 0 });
      } finally {
        await stale.close();
      }
    } finally {
      await key.remove();
    }
  });
});

function flip(content: Buffer): Buffer {
  const copy = Buffer.from(content);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
}
