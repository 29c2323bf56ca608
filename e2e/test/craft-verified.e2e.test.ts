import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ControlTap, tapControl } from './harness/control-tap.js';
import type { CraftUser } from './harness/craft.js';
import { type CraftProject, craftYaml, script } from './harness/craft-project.js';
import {
  type CraftScene,
  downloadDirectly,
  openCraftScene,
  sceneProject,
  seenByUpstreams,
} from './harness/craft-scene.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { downloadsOf, sha256 } from './harness/report.js';

const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';

let scene: CraftScene;
let user: CraftUser;
beforeAll(async () => {
  scene = await openCraftScene(keep);
  user = await scene.user();
});

async function packed(project: CraftProject, ...args: string[]) {
  const ran = await user.craft(project, ['pack', '--enable-fetch-service', ...args]);
  expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
  return ran;
}

describe('a strict pack with npm, git, tar and apt', () => {
  let project: CraftProject;
  let upstreams: string[];
  beforeAll(async () => {
    const before = seenByUpstreams(scene).length;
    project = await user.project(sceneProject(scene));
    const ran = await packed(project);
    upstreams = seenByUpstreams(scene).slice(before);
    expect(ran.stdout).toMatch(/^Packed sample_1\.0_here\.tar\.gz \(.*\)\n {2}sha256 [0-9a-f]{64}$/m);
    expect(ran.stdout).toMatch(/^Report sample_1\.0_here\.tar\.gz\.json$/m);
  });

  it('leaves an artifact and beside it its report', async () => {
    expect(await project.made()).toEqual([artifact, `${artifact}.json`]);
    const listing = execFileSync('tar', ['-tzf', project.at(artifact)], { encoding: 'utf8' });
    const files = listing.split('\n').filter((path) => path !== '' && !path.endsWith('/'));
    expect(files.sort()).toEqual([
      'bin/tool',
      'data.txt',
      'lib/node_modules/tool/cli.js',
      'lib/node_modules/tool/node_modules/@scope/right/index.js',
      'lib/node_modules/tool/node_modules/@scope/right/package.json',
      'lib/node_modules/tool/node_modules/left/index.js',
      'lib/node_modules/tool/node_modules/left/package.json',
      'lib/node_modules/tool/package.json',
      'one.txt',
      'share/theme/style.css',
      'three.txt',
      'two.txt',
      'usr/bin/waybill-greeter',
      'usr/share/waybill/data',
    ]);
    const report = await project.report(`${artifact}.json`);
    expect(report).toMatchObject({
      policy: 'strict',
      state: 'revoked',
      'component-name': 'sample',
      'component-version': '1.0',
      'component-id': { hashes: { sha256: await project.sha256(artifact) } },
      'build-environment': { kind: 'bubblewrap', 'bypass-controlled': true },
      build: { result: 'packed', artifact, platform: 'here' },
      refusals: [],
      failures: [],
    });
  });

  it('lists exactly what was downloaded, none missing, none invented (promise 2)', async () => {
    const report = await project.report(`${artifact}.json`);
    const reported = [...downloadsOf(report), ...report.responses].map(({ method, url }) => `${method} ${url}`);
    expect(reported.sort()).toEqual(upstreams.sort());
    expect(upstreams.length).toBeGreaterThanOrEqual(12);
  });

  it('gives each download the digest that a direct download has', async () => {
    const report = await project.report(`${artifact}.json`);
    for (const download of downloadsOf(report)) {
      const { method, url } = download;
      const wanted =
        method === 'GET'
          ? await downloadDirectly(scene, url, download['request-header'])
          : scene.git.exchanges.filter((exchange) => exchange.url === url).map(({ answer }) => sha256(answer.body));
      expect(wanted, url).toContain(download.artifact.metadata.sha256);
    }
  });

  it('approves every artifact, each with a chain that ends in a trust root (promise 1)', async () => {
    const { artifacts } = await project.report(`${artifact}.json`);
    for (const found of artifacts) {
      expect(found.result, found.metadata.name).toBe('Approved');
      const roots = found['vouched-by'].map((chain) => chain.at(-1)?.kind);
      expect(roots.length, found.metadata.name).toBeGreaterThan(0);
      for (const root of roots) expect(['key', 'origin', 'digest'], found.metadata.name).toContain(root);
    }
    const names = artifacts.map(({ metadata }) => metadata.purl).filter((purl) => purl !== undefined);
    expect(names).toEqual(
      expect.arrayContaining([
        'pkg:npm/left@1.1.0',
        'pkg:npm/%40scope/right@2.3.0',
        expect.stringContaining('waybill-greeter@1.5'),
        expect.stringContaining('waybill-data@2.0-1'),
      ]),
    );
  });

  it('packs the same bytes again from clean, here and in another directory', async () => {
    const first = await project.sha256(artifact);
    const cleaned = await user.craft(project, ['clean']);
    expect(cleaned).toMatchObject({ code: 0, stdout: 'Cleaned\n' });
    expect(await readdir(project.dir)).not.toContain('.craft');
    await packed(project, '--output', 'again');
    const other = await user.project(sceneProject(scene));
    await packed(other);
    expect([await project.sha256(`again/${artifact}`), await other.sha256(artifact)]).toEqual([first, first]);
  });
});

describe('a session', () => {
  let tap: ControlTap;
  const spy = script(
    [
      'env > "$CRAFT_PART_INSTALL/env.txt"',
      'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline > "$CRAFT_PART_INSTALL/processes.txt" 2>/dev/null || true',
      'mkdir "$CRAFT_PART_INSTALL/clients"',
      'git config --list > "$CRAFT_PART_INSTALL/clients/git.txt"',
      'npm config list --long > "$CRAFT_PART_INSTALL/clients/npm.txt"',
      'apt-config dump > "$CRAFT_PART_INSTALL/clients/apt.txt"',
      'curl -sSfO "$LEFT"',
    ].join('\n'),
    { 'build-environment': [] as object[] },
  );

  it('is opened, revoked, read and removed, and its token is nowhere (promise 6)', async () => {
    const project = await user.project({
      'craft.yaml': craftYaml({ spy: { ...spy, 'build-environment': [{ LEFT: `${scene.npm.url}left` }] } }),
    });
    tap = keepForTest(await tapControl(user.at('run/waybill/fetch-service.json')));
    const ran = await packed(project, '--verbosity', 'trace');
    expect(tap.calls).toEqual([
      'POST /session',
      'GET /session/ID/events',
      'DELETE /session/ID/token',
      'GET /session/ID',
      'DELETE /session/ID',
      'DELETE /resources/ID',
    ]);
    const [session] = tap.sessions;
    const { id, token } = session ?? { id: '', token: '' };
    const report = await project.report(`${artifact}.json`);
    expect(report['session-id']).toBe(id);
    expect(report.artifacts.map(({ metadata }) => metadata.name)).toEqual(['left']);

    const texts: Record<string, string> = {
      output: ran.stdout + ran.stderr,
      ...(await contents(project.dir)),
      ...(await contents(user.at('home'))),
      ...(await contents(user.at('state/waybill/log'))),
      ...(await contents(user.at('state/waybill/spool'))),
    };
    const secrets = [token, Buffer.from(`${id}:${token}`).toString('base64')];
    expect(token.length).toBeGreaterThan(20);
    for (const secret of secrets) {
      expect(
        Object.entries(texts)
          .filter(([, text]) => text.includes(secret))
          .map(([path]) => path),
      ).toEqual([]);
    }
    // The search would find one: the build saw a proxy, and the report is among what is searched.
    expect(Object.values(texts).some((text) => text.includes(id))).toBe(true);
    expect(texts[join(project.dir, '.craft/strict-here/prime/env.txt')]).toMatch(
      /^https_proxy=http:\/\/127\.0\.0\.1:3128/m,
    );
  });

  it('leaves no record of it in the daemon, and what it downloaded for the next pack', async () => {
    const project = await user.project(sceneProject(scene));
    await packed(project);
    const report = await project.report(`${artifact}.json`);
    expect(await user.activeSessions()).toEqual([]);
    expect((await user.control('GET', `/session/${report['session-id']}`)).status).toBe(404);
    expect(report.artifacts.length).toBeGreaterThan(0);

    const before = scene.npm.requests.length;
    const again = await user.project(sceneProject(scene));
    await packed(again);
    expect(scene.npm.requests.slice(before).filter((line) => line.endsWith('.tgz'))).toEqual([]);
    const reused = (await again.report(`${artifact}.json`)).artifacts.filter(({ downloads }) =>
      downloads.some(({ delivery }) => delivery === 'reused'),
    );
    const digest = sha256(scene.npm.tarball('left', '1.1.0'));
    expect(reused.map(({ metadata }) => metadata.sha256)).toContain(digest);
  });
});

describe('a git source', () => {
  const count = 'git rev-list --count HEAD > "$CRAFT_PART_INSTALL/$CRAFT_PART_NAME"';
  const part = (more: object = {}) => ({
    plugin: 'nil',
    source: scene.repository.url,
    'override-build': `cd "$CRAFT_PART_SRC"; ${count}`,
    ...more,
  });

  it('is fetched as deep as it says, one commit by default, and approved in strict', async () => {
    const commit = await scene.repository.git('rev-parse', 'main~1');
    const project = await user.project({
      'craft.yaml': craftYaml({
        shallow: part(),
        deeper: part({ 'source-depth': 2 }),
        whole: part({ 'source-depth': 0 }),
        pinned: part({ 'source-depth': 0, 'source-commit': commit }),
      }),
      'inspectors.yaml': { git: { urls: [`${scene.git.url}/**`] } },
    });
    await packed(project);
    const counts = await Promise.all(
      ['shallow', 'deeper', 'whole', 'pinned'].map((name) => project.read(`.craft/strict-here/prime/${name}`)),
    );
    expect(counts).toEqual(['1\n', '2\n', '3\n', '2\n']);
    const report = await project.report(`${artifact}.json`);
    expect(report.artifacts.map(({ result }) => result)).not.toContain('Rejected');
  });

  it('is fetched whole in an ordinary build', async () => {
    const project = await user.project({ 'craft.yaml': craftYaml({ whole: part() }) });
    const ran = await user.craft(project, ['build'], { env: { GIT_SSL_CAINFO: scene.caFile } });
    expect(ran, ran.stderr).toMatchObject({ code: 0, stdout: '' });
    expect(await project.read('parts/whole/install/whole')).toBe('3\n');
  });
});

async function contents(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(files.map(async (path) => [path, await readFile(path, 'latin1')] as const)),
  );
}
