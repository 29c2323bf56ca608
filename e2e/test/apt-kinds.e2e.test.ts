import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AptPackage,
  type AptSandbox,
  type AptSigningKey,
  type AptUpstream,
  buildAptRepository,
  createAptSandbox,
  createAptSigningKey,
  mustRun,
  startAptUpstream,
} from '@waybill/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { update } from './harness/apt-scene.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { artifactAt, chainsOf, refusedPaths } from './harness/report.js';
import type { Session } from './harness/session.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';

const keep = keepForFile();
const keyName = 'key:Test Archive <archive@deb.registry.example>';
let dir: TempDir;
let key: AptSigningKey;
let daemon: Daemon;
let upstream: AptUpstream;
let sandboxes = 0;

beforeAll(async () => {
  dir = keep(await createTempDir());
  key = await createAptSigningKey();
  keep({ close: () => key.remove() });
  daemon = keep(await startDaemon({ inspectors: { limits: { reuse: 'off' } } }));
  const root = dir.at('archive');
  upstream = keep(await startAptUpstream({ dir: root }));
  await buildSourcePackage(join(root, 'pool/main/t/tool'));
  const sources = await mustRun('apt-ftparchive', ['-q', 'sources', 'pool'], { cwd: root });
  await buildAptRepository({ dir: root, key, packages: [tiny('1.0')], indexes: { 'main/source/Sources': sources } });
  await buildFlat(join(root, 'flat'));
});
afterEach(() => upstream.setTamper(undefined));

function tiny(version: string): AptPackage {
  return { name: 'tiny', version, arch: 'all' };
}

/** A source package as dpkg-source makes it: upstream archive, packaging, .dsc. */
async function buildSourcePackage(target: string): Promise<void> {
  const tree = dir.at('tool-1.0');
  await mkdir(join(tree, 'debian/source'), { recursive: true });
  await mkdir(target, { recursive: true });
  await writeFile(join(tree, 'tool.c'), 'int main(void) { return 0; }\n');
  await mustRun('tar', ['-cJf', dir.at('tool_1.0.orig.tar.xz'), '--exclude=debian', 'tool-1.0'], { cwd: dir.path });
  const maintainer = 'Test Maintainer <maintainer@deb.registry.example>';
  const control = `Source: tool\nMaintainer: ${maintainer}\nSection: misc\nPriority: optional\n\nPackage: tool\nArchitecture: all\nDescription: a tool\n`;
  const changelog = `tool (1.0-1) stable; urgency=low\n\n  * First.\n\n -- ${maintainer}  Thu, 01 Jan 2026 00:00:00 +0000\n`;
  await writeFile(join(tree, 'debian/control'), control);
  await writeFile(join(tree, 'debian/changelog'), changelog);
  await writeFile(join(tree, 'debian/source/format'), '3.0 (quilt)\n');
  await writeFile(join(tree, 'debian/rules'), '#!/usr/bin/make -f\n');
  await mustRun('cp', [dir.at('tool_1.0.orig.tar.xz'), target]);
  // It looks for the upstream archive where it is called.
  await mustRun('dpkg-source', ['--build', tree], { cwd: target });
}

/** Packages, index and release in one directory, as vendors keep them. */
async function buildFlat(root: string): Promise<void> {
  const built = await buildAptRepository({
    dir: dir.at('for-flat'),
    key,
    packages: [{ ...tiny('3.0'), name: 'flat' }],
  });
  await mkdir(root, { recursive: true });
  await mustRun('cp', [join(built.dir, built.debs[0] ?? ''), root]);
  await writeFile(join(root, 'Packages'), await mustRun('apt-ftparchive', ['-q', 'packages', '.'], { cwd: root }));
  await mustRun('bzip2', ['--keep', join(root, 'Packages')]);
  const release = await mustRun('apt-ftparchive', ['-q', 'release', '.'], { cwd: root });
  // With the plain file listed and not there, apt takes the one that is.
  await mustRun('rm', [join(root, 'Packages')]);
  await writeFile(join(root, 'InRelease'), await key.clearsign(release));
}

function openSession(url: string, suites: readonly string[]): Promise<Session> {
  const test = { urls: [url], suites, components: ['*'], 'public-key': key.publicKeyArmor };
  return daemon.createSession('strict', { 'inspectors-configuration': { apt: { repositories: { test } } } });
}

function sandbox(session: Session, sources: readonly string[]): Promise<AptSandbox> {
  const own = dir.at(`apt-${sandboxes++}`);
  return createAptSandbox({ dir: own, sources, keyring: key.publicKeyArmor, proxy: session.proxyUrl });
}

const flip = (bytes: Buffer) => {
  const copy = Buffer.from(bytes);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
};

describe('apt-get source', () => {
  const lines = () => [`deb ${upstream.url} stable main`, `deb-src ${upstream.url} stable main`];

  it('every file of a source package is approved by its index (promises 1, 2)', async () => {
    const session = await openSession(upstream.url, ['stable']);
    const apt = await sandbox(session, lines());
    for (const args of [update, ['source', '--download-only', 'tool']]) {
      const ran = await apt.aptGet(...args);
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    }
    expect(await apt.downloads()).toEqual(['tool_1.0-1.debian.tar.xz', 'tool_1.0-1.dsc', 'tool_1.0.orig.tar.xz']);
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    for (const file of await apt.downloads()) {
      const artifact = artifactAt(report, file);
      expect(chainsOf(artifact)).toEqual([`apt.sources:Sources ← apt.release:InRelease ← ${keyName}`]);
      expect(artifact.metadata).toMatchObject({ name: 'tool', version: '1.0-1', architecture: 'source' });
    }
  });

  it('one changed byte of an archive is refused, and apt says why', async () => {
    upstream.setTamper(async (path, content) => (path.endsWith('.orig.tar.xz') ? flip(await content()) : undefined));
    const session = await openSession(upstream.url, ['stable']);
    const apt = await sandbox(session, lines());
    expect(await apt.aptGet(...update)).toMatchObject({ code: 0 });
    const ran = await apt.aptGet('source', '--download-only', 'tool');
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toMatch(/403\s+Forbidden: apt\.sources: .*sha256/);
    expect(await apt.downloads()).not.toContain('tool_1.0.orig.tar.xz');
    expect(refusedPaths(await session.finish()).join()).toContain('tool_1.0.orig.tar.xz');
  });
});

describe('a flat repository', () => {
  it('with an index in bzip2 alone: update, download, chain', async () => {
    const url = `${upstream.url}/flat`;
    const session = await openSession(url, ['./']);
    const apt = await sandbox(session, [`deb ${url} ./`]);
    for (const args of [update, ['download', 'flat']]) {
      const ran = await apt.aptGet(...args);
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    }
    const report = await session.finish();
    expect(report.refusals).toEqual([]);
    const chains = chainsOf(artifactAt(report, 'flat_3.0_all.deb'));
    expect(chains).toEqual([`apt.packages:Packages ← apt.release:InRelease ← ${keyName}`]);
  });
});

describe('package index differences', () => {
  it('are refused with a reason, and apt takes the whole index instead', async () => {
    const root = dir.at('moving');
    const from = keep(await startAptUpstream({ dir: root }));
    const earlier = new Date(Date.now() - 60_000);
    await buildAptRepository({ dir: root, key, packages: [tiny('1.0')], date: earlier });
    // Last-Modified counts seconds: what is built within one of them would be current for apt.
    for (const name of await readdir(root, { recursive: true })) await utimes(join(root, name), earlier, earlier);
    const session = await openSession(from.url, ['stable']);
    const apt = await sandbox(session, [`deb ${from.url} stable main`]);
    expect(await apt.aptGet(...update)).toMatchObject({ code: 0 });

    const line = (bytes: string | Buffer) => `${createHash('sha256').update(bytes).digest('hex')} ${bytes.length}`;
    const before = await readFile(join(root, 'dists/stable/main/binary-amd64/Packages'));
    await buildAptRepository({ dir: root, key, packages: [tiny('2.0')] });
    const after = await readFile(join(root, 'dists/stable/main/binary-amd64/Packages'));
    const history = `SHA256-Current: ${line(after)}\nSHA256-History:\n ${line(before)} T-2026-01-01\nSHA256-Patches:\n ${line('x')} T-2026-01-01\nSHA256-Download:\n ${line('x')} T-2026-01-01.gz\n`;
    const indexes = { 'main/binary-amd64/Packages.diff/Index': history };
    await buildAptRepository({ dir: root, key, packages: [tiny('2.0')], indexes });

    for (const args of [update, ['download', 'tiny']]) {
      const ran = await apt.aptGet(...args);
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    }
    expect(await apt.downloads()).toEqual(['tiny_2.0_all.deb']);
    const report = await session.finish();
    const refused = report.refusals.filter(({ url }) => url.includes('Packages.diff'));
    expect(refused.map(({ reason }) => reason).join()).toMatch(/pdiff.*apt falls back to the whole index/);
    expect(report.refusals).toHaveLength(refused.length);
  });
});
