import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AptScene, deb, openAptScene, update } from './harness/apt-scene.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { artifactAt, chainsOf, downloadsOf, pathOf, refusedPaths, sha256 } from './harness/report.js';
import { startTlsFront } from './harness/tls-front.js';

const keep = keepForFile();
let scene: AptScene;

beforeAll(async () => {
  scene = await openAptScene(keep);
});
afterEach(() => scene.upstream.setTamper(undefined));

describe('apt in a strict session', () => {
  it('update, install and download: everything is approved and reported with its digest (promises 1, 2)', async () => {
    const session = await scene.openSession('strict');
    const apt = await scene.sandbox(session);
    for (const args of [update, ['install', '--download-only', 'tiny'], ['download', 'tiny']]) {
      const ran = await apt.aptGet(...args);
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    }
    expect(await apt.archives()).toEqual(['libtiny_1%3a2.0-1_amd64.deb', 'tiny_1.5_all.deb']);
    expect(await apt.downloads()).toEqual(['tiny_1.5_all.deb']);

    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const downloads = downloadsOf(report);
    const served = scene.upstream.requests.filter(({ status }) => status === 200).map(({ path }) => `/debian/${path}`);
    expect(downloads.map(({ url }) => pathOf(url))).toEqual(served.sort());
    for (const { url, artifact } of downloads) {
      const bytes = await readFile(join(scene.repository.dir, pathOf(url).replace('/debian/', '')));
      expect(artifact.metadata.sha256, url).toBe(sha256(bytes));
    }
    expect(chainsOf(artifactAt(report, deb))).toEqual([
      'apt.packages:Packages ← apt.release:InRelease ← key:Test Archive <archive@deb.registry.example>',
    ]);
  });

  it('a second update finds nothing new, and another session verifies everything for itself', async () => {
    const first = await scene.openSession('strict');
    const apt = await scene.sandbox(first);
    expect(await apt.aptGet(...update)).toMatchObject({ code: 0 });
    const again = await apt.aptGet(...update);
    expect(again).toMatchObject({ code: 0 });
    expect(again.stdout).toMatch(/^Hit:1 /m);
    const report = await first.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    expect(artifactAt(report, '/InRelease').downloads).toHaveLength(2);

    const second = await scene.openSession('strict');
    const later = await scene.sandbox(second);
    expect(await later.aptGet(...update)).toMatchObject({ code: 0 });
    expect(await later.aptGet('download', 'tiny')).toMatchObject({ code: 0 });
    expect(artifactAt(await second.finish(), deb).result).toBe('Approved');
  });

  it('a repository with Release and Release.gpg alone', async () => {
    scene.upstream.setTamper((path) => (path.endsWith('/InRelease') ? { status: 404 } : undefined));
    const session = await scene.openSession('strict');
    const apt = await scene.sandbox(session);
    for (const args of [update, ['download', 'tiny']]) {
      const ran = await apt.aptGet(...args);
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    }
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    expect(chainsOf(artifactAt(report, deb))).toEqual([
      'apt.packages:Packages ← apt.release:Release ← key:Test Archive <archive@deb.registry.example>',
    ]);
    for (const name of ['Release', 'Release.gpg']) {
      const bytes = await readFile(join(scene.repository.dir, 'dists/stable', name));
      expect(artifactAt(report, `/stable/${name}`)).toMatchObject({
        result: 'Approved',
        metadata: { sha256: sha256(bytes) },
      });
    }
  });

  it('over https', async () => {
    const front = keepForTest(await startTlsFront(scene.ca));
    front.forwardTo(Number(new URL(scene.upstream.url).port));
    const from = { ...scene.upstream, url: `${front.url}/debian` };
    const session = await scene.openSession('strict', { from });
    const apt = await scene.sandbox(session, { from });
    for (const args of [update, ['download', 'tiny']]) {
      const ran = await apt.aptGet(...args);
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    }
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const { metadata, downloads } = artifactAt(report, deb);
    expect(downloads).toMatchObject([{ url: `${front.url}/debian/${deb}` }]);
    expect(metadata.sha256).toBe(sha256(await readFile(join(scene.repository.dir, deb))));
  });

  it('a suite that is not listed is refused before anything is sent, and apt says why (promise 1)', async () => {
    const session = await scene.openSession('strict');
    const apt = await scene.sandbox(session, { suite: 'testing' });
    const before = scene.upstream.requests.length;
    const ran = await apt.aptGet(...update);
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toMatch(/403\s+Forbidden: apt\.release: the suite is not among the configured `suites`/);
    expect(scene.upstream.requests.length).toBe(before);
    expect(refusedPaths(await session.finish())).toContain('request /debian/dists/testing/InRelease');
  });
});
