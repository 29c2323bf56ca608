import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keepForFile } from './harness/keep.js';
import { openPipScene, type PipScene, pipClients } from './harness/pip-scene.js';
import { artifactAt, chainsOf, downloadsOf, pathOf, sha256 } from './harness/report.js';

const keep = keepForFile();
const clients = await pipClients();
let scene: PipScene;

beforeAll(async () => {
  scene = await openPipScene(keep);
});
beforeEach(() => scene.upstream.tamper(undefined));

const indexes = ['html', 'json'] as const;

describe('Python packages in a strict session', () => {
  it.each(clients.flatMap((client) => indexes.map((index) => [client.name, index, client] as const)))(
    '%s, %s index: the report lists what was installed, and nothing else (promises 1, 2)',
    async (_name, index, { install }) => {
      const { daemon, upstream, origin, app, leaf } = scene;
      const before = upstream.requests.length;
      const session = await daemon.createSession('strict');
      const client = await scene.client(session);
      const ran = await install(client, `${origin}/${index}/`, 'app');
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
      expect(await readFile(join(client.dir, 'installed', 'leaf.py'), 'utf8')).toBe('value = "leaf"\n');

      const report = await session.finish();
      expect([...report.refusals, ...report.failures]).toEqual([]);
      const downloads = downloadsOf(report);
      expect(downloads.every(({ result, artifact }) => result === 'Approved' && artifact.result === 'Approved')).toBe(
        true,
      );
      const seen = new Set(upstream.requests.slice(before).map((line) => line.split(' ')[1]));
      expect(new Set(downloads.map(({ url }) => pathOf(url)))).toEqual(seen);
      const { host } = new URL(origin);
      for (const { name, wheel } of [app, leaf]) {
        const artifact = artifactAt(report, `/files/${wheel.file}`);
        const version = /-([^-]+)-py3/.exec(wheel.file)?.[1];
        expect(artifact.metadata).toMatchObject({ sha256: sha256(wheel.bytes), name, version, license: 'MIT' });
        expect(chainsOf(artifact)).toEqual([`pip.simple-index:index of ${name} ← origin:${host}`]);
      }
    },
  );

  it.each(clients.flatMap((client) => indexes.map((index) => [client.name, index, client] as const)))(
    '%s, %s index: a source archive, built by the client',
    async (_name, index, { install }) => {
      const { daemon, origin, leaf } = scene;
      const session = await daemon.createSession('strict');
      const client = await scene.client(session);
      const ran = await install(client, `${origin}/${index}/`, '--no-binary', 'leaf', '--no-build-isolation', 'leaf');
      expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
      const report = await session.finish();
      expect([...report.refusals, ...report.failures]).toEqual([]);
      const artifact = artifactAt(report, `/files/${leaf.sdist.file}`);
      expect(artifact.metadata).toMatchObject({ sha256: sha256(leaf.sdist.bytes), name: 'leaf', version: '1.0.0' });
      expect(artifact['response-inspection']['pip.sdist']?.opinion).toBe('Approved');
    },
  );

  it.each(clients)('$name: an index that is not listed is refused before it is asked', async ({ install }) => {
    const { daemon, upstream, origin } = scene;
    const before = upstream.requests.length;
    const session = await daemon.createSession('strict');
    const ran = await install(await scene.client(session), `${origin}/other/`, 'leaf');
    expect(ran.code).not.toBe(0);
    expect(upstream.requests.length).toBe(before);
    const report = await session.finish();
    expect(report.refusals[0]).toMatchObject({ url: `${origin}/other/leaf/`, phase: 'request', delivered: false });
  });
});
