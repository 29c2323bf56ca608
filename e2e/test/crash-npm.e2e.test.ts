import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from './harness/keep.js';
import { type NpmScene, openNpmScene } from './harness/npm-scene.js';
import { freePorts } from './harness/ports.js';
import { createRandom } from './harness/random.js';
import { downloadsOf } from './harness/report.js';
import { until } from './harness/until.js';

const keep = keepForFile();
const random = createRandom();
let scene: NpmScene;

const names = Array.from({ length: 60 }, (_, n) => `part-${n}`);

beforeAll(async () => {
  const packages = Object.fromEntries(
    names.map((name, n) => [name, { '1.0.0': { files: { 'index.js': `// ${name}\n`.repeat(1 + n * 40) } } }]),
  );
  const dependencies = Object.fromEntries(names.map((name) => [name, '1.0.0']));
  scene = await openNpmScene(keep, { packages, dependencies, ports: await freePorts() });
});

describe('kill -9 during npm ci', () => {
  it(`npm goes on where it was, and the report has every tarball (promise 2; seed ${random.seed})`, async () => {
    const { daemon, project, registry } = scene;
    const session = await daemon.createSession('strict');
    const before = registry.requests.length;
    const retries = ['--fetch-retries=60', '--fetch-retry-factor=1', '--fetch-retry-mintimeout=100'];
    const npm = project.run(session, 'npm', ['ci', '--no-audit', '--maxsockets=4', '--ignore-scripts', ...retries]);
    let reached = before;
    for (let kills = 0; kills < 3; kills++) {
      reached += random.between(2, 30);
      const enough = reached;
      await until('npm downloads', () => registry.requests.length >= enough);
      await daemon.kill('SIGKILL');
      await daemon.start();
    }
    const ran = await npm;
    expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    for (const name of names) expect(await project.read(`node_modules/${name}/index.js`)).toContain(`// ${name}\n`);

    const report = await session.finish();
    expect(report.refusals).toEqual([]);
    const reported = downloadsOf(report).filter(({ url }) => url.endsWith('.tgz'));
    const integrities = new Map(
      reported.map(({ url, artifact: { metadata } }) => [
        url,
        `sha512-${Buffer.from(metadata.sha512, 'hex').toString('base64')}`,
      ]),
    );
    const locked = await project.lockedTarballs();
    expect(locked).toHaveLength(names.length);
    expect(integrities).toEqual(new Map(locked.map(({ url, integrity }) => [url, integrity])));
  });
});
