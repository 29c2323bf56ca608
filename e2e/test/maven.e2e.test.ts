import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { keepForFile } from './harness/keep.js';
import { type MavenScene, mavenPaths, openMavenScene, resolveProject } from './harness/maven-scene.js';
import { artifactAt, chainsOf, downloadsOf, pathOf, sha256 } from './harness/report.js';

const keep = keepForFile();
let scene: MavenScene;

beforeAll(async () => {
  scene = await openMavenScene(keep);
});
beforeEach(() => scene.upstream.tamper(undefined));

describe('Maven in a strict session', () => {
  it('every pom and jar of the local repository is in the report, and nothing else (promises 1, 2)', async () => {
    const { daemon, upstream, origin, published } = scene;
    const before = upstream.requests.length;
    const session = await daemon.createSession('strict');
    const client = await scene.client(session);
    const ran = await resolveProject(client);
    expect(ran, ran.stdout).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain('[INFO] resolved');

    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const downloads = downloadsOf(report);
    expect(downloads.every(({ result, artifact }) => result === 'Approved' && artifact.result === 'Approved')).toBe(
      true,
    );
    const asked = new Set(upstream.requests.slice(before).map((line) => line.split(' ')[1]));
    expect(new Set(downloads.map(({ url }) => pathOf(url)))).toEqual(asked);

    const reported = downloads.filter(({ url }) => /\.(jar|pom)$/.test(url));
    const repository = /-Dmaven\.repo\.local=(\S+)/.exec(client.env.JAVA_TOOL_OPTIONS ?? '')?.[1] ?? '';
    const local = (await readdir(repository, { recursive: true })).filter((name) => /\.(jar|pom)$/.test(name));
    expect(new Set(reported.map(({ url }) => pathOf(url)))).toEqual(new Set(local.map((name) => `/maven/${name}`)));
    for (const name of local) {
      const bytes = await readFile(join(repository, name));
      expect(artifactAt(report, `/maven/${name}`).metadata.sha256).toBe(sha256(bytes));
    }
    const given = published.flatMap(({ pom, jar }) => (jar ? [pom, jar] : [pom])).map(sha256);
    for (const { artifact } of reported) expect(given).toContain(artifact.metadata.sha256);
    const jar = artifactAt(report, mavenPaths.jar);
    expect(jar.metadata).toMatchObject({ name: 'leaf', version: '1.0', vendor: 'registry.example', license: 'MIT' });
    expect(chainsOf(jar)).toContainEqual(expect.stringMatching(/sha512 of .* ← origin:/));
    expect(chainsOf(jar).every((chain) => chain.endsWith(`origin:${new URL(origin).host}`))).toBe(true);
  });

  it('a file without a checksum is refused, with what to do', async () => {
    const { daemon, upstream, origin, leaf } = scene;
    upstream.put('/maven/registry/example/bare/1.0/bare-1.0.jar', leaf.jar ?? '');
    const session = await daemon.createSession('strict');
    const got = await curl(session, `${origin}/maven/registry/example/bare/1.0/bare-1.0.jar`);
    expect(got.status).toBe(403);
    expect(got.text).toMatch(/no checksum of .*bare-1\.0\.jar that counts.*generic\.files/);
    expect((await session.finish()).refusals).toMatchObject([{ inspector: 'maven.jar', delivered: false }]);
  });
});
