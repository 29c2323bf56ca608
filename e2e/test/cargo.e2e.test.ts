import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildProgram, type CargoScene, hasCargo, openCargoScene } from './harness/cargo-scene.js';
import { curl } from './harness/curl.js';
import { keepForFile } from './harness/keep.js';
import { artifactAt, chainsOf, downloadsOf, pathOf, sha256 } from './harness/report.js';

const keep = keepForFile();

describe.skipIf(!(await hasCargo()))('crates in a strict session', () => {
  let scene: CargoScene;
  beforeAll(async () => {
    scene = await openCargoScene(keep);
  });
  beforeEach(() => scene.upstream.tamper(undefined));

  it('cargo fetch: the report lists the crates of Cargo.lock by their checksums, and nothing else (promises 1, 2)', async () => {
    const { daemon, upstream, origin, leaf, middle } = scene;
    const before = upstream.requests.length;
    const session = await daemon.createSession('strict');
    const client = await scene.client(session);
    const ran = await buildProgram(client);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const lock = await readFile(join(client.dir, 'Cargo.lock'), 'utf8');
    const locked = [...lock.matchAll(/^checksum = "([0-9a-f]{64})"$/gm)].map(([, checksum]) => checksum);

    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const downloads = downloadsOf(report);
    expect(downloads.every(({ result, artifact }) => result === 'Approved' && artifact.result === 'Approved')).toBe(
      true,
    );
    expect(new Set(downloads.map(({ url }) => pathOf(url)))).toEqual(
      new Set(upstream.requests.slice(before).map((line) => line.split(' ')[1])),
    );
    const crates = downloads.filter(({ url }) => url.endsWith('/download'));
    expect(crates.map(({ artifact }) => artifact.metadata.sha256).sort()).toEqual(locked.sort());
    for (const { name, version, bytes } of [leaf, middle]) {
      const artifact = artifactAt(report, `/crates/${name}/${version}/download`);
      expect(artifact.metadata).toMatchObject({ sha256: sha256(bytes), name, version, license: 'MIT' });
      expect(chainsOf(artifact)).toEqual([`cargo.index:index of ${name} ← origin:${new URL(origin).host}`]);
    }
  });

  it('what was fetched is what cargo then builds without a network', async () => {
    const session = await scene.daemon.createSession('strict');
    const client = await scene.client(session);
    expect(await buildProgram(client)).toMatchObject({ code: 0 });
    const built = await client.run('cargo', 'run', '--offline', '--quiet');
    expect(built, built.stderr).toMatchObject({ code: 0, stdout: 'leaf\n' });
    expect((await session.finish()).refusals).toEqual([]);
  });

  it('a crate without its index in the session is refused, with what to do', async () => {
    const { daemon, origin } = scene;
    const session = await daemon.createSession('strict');
    const got = await curl(session, `${origin}/crates/leaf/1.0.0/download`);
    expect(got.status).toBe(403);
    expect(got.text).toMatch(/no index of \S+ that this session trusts lists leaf 1\.0\.0.*CARGO_HOME/);
    expect((await session.finish()).refusals).toMatchObject([{ inspector: 'cargo.crate', delivered: false }]);
  });

  it('the index as a git repository is refused, with what to do', async () => {
    const { daemon, upstream, origin } = scene;
    const before = upstream.requests.length;
    const session = await daemon.createSession('strict');
    const got = await curl(session, `${origin}/index/info/refs?service=git-upload-pack`);
    expect(got.status).toBe(403);
    expect(got.text).toContain('sparse+');
    expect(upstream.requests.length).toBe(before);
    await session.finish();
  });
});
