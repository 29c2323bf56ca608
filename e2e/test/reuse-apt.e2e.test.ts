import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { createAptSigningKey } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AptScene, deb, openAptScene, update } from './harness/apt-scene.js';
import { curl } from './harness/curl.js';
import { keepForFile } from './harness/keep.js';
import { artifactAt, chainsOf, downloadsOf, pathOf } from './harness/report.js';

const keep = keepForFile();
let scene: AptScene;

beforeAll(async () => {
  scene = await openAptScene(keep, { reuse: 'on' });
  // A release that is older than its answer by minutes, as all are: only then its date says which one it is.
  const hourAgo = new Date(Date.now() - 3_600_000);
  await utimes(join(scene.repository.dir, 'dists/stable/InRelease'), hourAgo, hourAgo);
});

/** Update and download in a session and an apt of their own, and what upstream saw of it. */
async function run(...choice: Parameters<AptScene['openSession']>) {
  const before = scene.upstream.requests.length;
  const session = await scene.openSession(...choice);
  const apt = await scene.sandbox(session, choice[1]);
  const ran = [await apt.aptGet(...update), await apt.aptGet('download', 'tiny')];
  const requests = scene.upstream.requests.slice(before);
  return { ran, apt, requests, report: await session.finish() };
}

describe('the second apt-get update and download', () => {
  it('asks upstream whether InRelease is current, and for nothing else', async () => {
    const first = await run('strict');
    expect(first.ran.map(({ code }) => code)).toEqual([0, 0]);
    const second = await run('strict');
    expect(second.ran.map(({ code }) => code)).toEqual([0, 0]);
    expect(second.requests).toEqual([{ method: 'GET', path: 'dists/stable/InRelease', status: 304 }]);
    expect(await second.apt.downloads()).toEqual(['tiny_1.5_all.deb']);

    const { report } = second;
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const deliveries = downloadsOf(report).map(({ url, delivery }) => [pathOf(url).split('/').at(-1), delivery]);
    expect(new Map(deliveries as [string, string][]).get('InRelease')).toBe('revalidated');
    expect(deliveries.filter(([, delivery]) => delivery !== 'reused')).toHaveLength(1);
    expect(chainsOf(artifactAt(report, deb))).toEqual(chainsOf(artifactAt(first.report, deb)));
    expect(artifactAt(report, deb).metadata).toEqual(artifactAt(first.report, deb).metadata);
  });

  it('a session that trusts another key refuses the release, though it is stored and current', async () => {
    expect((await run('strict')).ran.map(({ code }) => code)).toEqual([0, 0]);
    const other = await createAptSigningKey({ userId: 'Other <other@deb.registry.example>' });
    await other.remove();
    const refused = await run('strict', { key: other.publicKeyArmor });
    expect(refused.ran[0]?.code).not.toBe(0);
    expect(refused.report.artifacts.every(({ result }) => result === 'Rejected')).toBe(true);
    expect(refused.report.refusals[0]?.reason).toContain('no valid signature');
  });

  it('a session without the index gets no package out of the store', async () => {
    expect((await run('strict')).ran.map(({ code }) => code)).toEqual([0, 0]);
    const before = scene.upstream.requests.length;
    const session = await scene.openSession('strict');
    const answer = await curl(session, `${scene.upstream.url}/${deb}`);
    expect(answer.status).toBe(403);
    expect(scene.upstream.requests.length).toBeGreaterThan(before);
    const report = await session.finish();
    expect(report.artifacts.map(({ result }) => result)).toEqual(['Rejected']);
  });
});
