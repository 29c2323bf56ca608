import { networkInterfaces } from 'node:os';
import { startHttpUpstream } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CraftUser } from './harness/craft.js';
import { type FilesScene, get, openFilesScene } from './harness/craft-files.js';
import { craftYaml } from './harness/craft-project.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { sha256 } from './harness/report.js';

const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';
const failure = 'sample_1.0_here.json';
const strict = ['pack', '--enable-fetch-service=strict'];
const permissive = ['pack', '--enable-fetch-service=permissive'];

let scene: FilesScene;
let user: CraftUser;
beforeAll(async () => {
  scene = await openFilesScene(keep);
  user = await scene.user();
});

describe('a refusal in a strict session', () => {
  it.each([
    ['that ends the build', `${get('LISTED')}\n${get('UNLISTED')}`],
    ['that the build swallows', `${get('LISTED')}\n${get('UNLISTED')} || true`],
  ])('%s: exit 2, no artifact, a report, and a list with part and step (promise 1)', async (_name, text) => {
    const before = scene.seen(scene.unlisted);
    const project = await scene.project(user, text);
    const ran = await user.craft(project, strict);
    expect(ran.code).toBe(2);
    expect(await project.made()).toEqual([failure]);
    expect(ran.stdout).toContain(
      [
        'Refused (1):',
        '  build of part app',
        `    GET ${scene.unlisted}`,
        `      default: no inspector recognises ${scene.unlisted}`,
        '      → add its origin to inspectors.yaml, which has generic; docs/fetch-service.md lists the sections there are',
      ].join('\n'),
    );
    expect(ran.stdout).toContain(`Report ${failure}\n`);
    expect(ran.stderr).toContain('craft: the strict session refused a download [CRAFT_REFUSED]');
    const report = await project.report(failure);
    expect(report).toMatchObject({
      policy: 'strict',
      build: { result: 'refused', platform: 'here', error: { code: 'CRAFT_REFUSED' } },
      refusals: [{ url: scene.unlisted, phase: 'request', delivered: false, part: 'app', step: 'build' }],
    });
    expect(report).not.toHaveProperty('component-id');
    expect(report.artifacts.map(({ result, metadata }) => [result, metadata.sha256])).toEqual([
      ['Approved', sha256('listed\n')],
    ]);
    expect(scene.seen(scene.unlisted)).toBe(before);
    expect(await user.activeSessions()).toEqual([]);
  });

  it('names each part and step, and is shown while the build still runs', async () => {
    const project = await user.project({
      'craft.yaml': craftYaml({
        first: scene.part(`${get('UNLISTED')} || true`),
        second: scene.part('true', { 'override-prime': `curl -fsS ${scene.unlisted}?prime || true` }),
      }),
    });
    const ran = await user.craft(project, strict);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toMatch(/Refused \(2\):\n {2}build of part first\n[\s\S]*\n {2}prime of part second\n/);
    const lines = ran.stderr.split('\n');
    expect(lines.indexOf('stage first')).toBeGreaterThan(
      lines.findIndex((line) => line.startsWith(`warning: refused: ${scene.unlisted}`)),
    );
  });

  it('of a source is told with the step pull', async () => {
    const project = await user.project({
      'craft.yaml': craftYaml({ app: { plugin: 'dump', source: scene.unlisted, 'source-type': 'file' } }),
    });
    const ran = await user.craft(project, strict);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain(`  pull of part app\n    GET ${scene.unlisted}\n`);
    expect((await project.report(failure)).refusals).toMatchObject([{ part: 'app', step: 'pull' }]);
  });

  it('of changed bytes: the digest that was pinned is not met', async () => {
    const inspectors = { generic: { files: [{ url: scene.unlisted, sha256: '0'.repeat(64) }] } };
    const project = await user.project({
      'craft.yaml': craftYaml({ app: scene.part(`${get('UNLISTED')} || true; ls "$CRAFT_PART_INSTALL"`) }),
      'inspectors.yaml': inspectors,
    });
    const ran = await user.craft(project, [...strict, '--verbose']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).not.toContain('unlisted.txt\n');
    const [refusal] = (await project.report(failure)).refusals;
    expect(refusal).toMatchObject({ phase: 'artifact', inspector: 'generic.file', sha256: sha256('unlisted\n') });
  });

  it('leaves no artifact where an earlier one lies that the new report would contradict', async () => {
    const project = await scene.project(user, get('LISTED'));
    expect((await user.craft(project, strict)).code).toBe(0);
    const before = await project.sha256(artifact);
    await project.write({ 'craft.yaml': craftYaml({ app: scene.part(get('UNLISTED')) }) });
    expect((await user.craft(project, strict)).code).toBe(2);
    expect(await project.made()).toEqual([failure, artifact, `${artifact}.json`]);
    expect(await project.sha256(artifact)).toBe(before);
    expect((await project.report(failure)).build.result).toBe('refused');
    await project.write({ 'craft.yaml': craftYaml({ app: scene.part(get('LISTED')) }) });
    expect((await user.craft(project, strict)).code).toBe(0);
    expect(await project.made()).toEqual([artifact, `${artifact}.json`]);
  });
});

describe('the same in a permissive session', () => {
  it('is delivered, packed, and reported as rejected with the same reason (promise 4)', async () => {
    const project = await scene.project(user, `${get('LISTED')}\n${get('UNLISTED')}`);
    const ran = await user.craft(project, permissive);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await project.made()).toEqual([artifact, `${artifact}.json`]);
    expect(ran.stdout).toContain(
      [
        'Delivered, but a strict session would have refused (1):',
        '  build of part app',
        `    GET ${scene.unlisted}`,
        `      default: no inspector recognises ${scene.unlisted}`,
      ].join('\n'),
    );
    const report = await project.report(`${artifact}.json`);
    expect(report).toMatchObject({
      policy: 'permissive',
      build: { result: 'packed' },
      refusals: [{ url: scene.unlisted, delivered: true, part: 'app', step: 'build', inspector: 'default' }],
    });
    const results = report.artifacts.map(({ result, metadata }) => [metadata.sha256, result]);
    expect(Object.fromEntries(results)).toEqual({
      [sha256('listed\n')]: 'Approved',
      [sha256('unlisted\n')]: 'Rejected',
    });
  });

  it('but an address that builds may not reach is refused in both, and craft says so', async () => {
    const guarded = await scene.user({ acl: 'http-proxy:\n  policy: allow\n  rules: []\n' });
    const project = await scene.project(guarded, `${get('LISTED')} || true`);
    const ran = await guarded.craft(project, permissive);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(`warning: refused: ${scene.listed}`);
    expect(ran.stderr).toContain('craft: the permissive session refused a download');
    expect((await project.report(failure)).refusals).toMatchObject([{ phase: 'destination', delivered: false }]);
  });
});

describe('a build that fails by itself', () => {
  it('ends with 1, its last lines and a report of what it had downloaded', async () => {
    const project = await scene.project(user, `${get('LISTED')}\necho "no such compiler" >&2\nexit 3`);
    const ran = await user.craft(project, strict);
    expect(ran.code).toBe(1);
    expect(await project.made()).toEqual([failure]);
    expect(ran.stderr).toMatch(
      /^craft: build of part app failed with exit code 3 \[CRAFT_PART_FAILED\]\n {2}no such compiler\n {2}→ all of its output is in .*app\.build\.log$/m,
    );
    const report = await project.report(failure);
    expect(report).toMatchObject({
      build: {
        result: 'failed',
        error: { code: 'CRAFT_PART_FAILED', message: 'build of part app failed with exit code 3' },
      },
      refusals: [],
    });
    expect(report.artifacts.map(({ metadata }) => metadata.sha256)).toEqual([sha256('listed\n')]);
    expect(await user.activeSessions()).toEqual([]);
  });

  it('without a session leaves no report', async () => {
    const project = await scene.project(user, 'exit 3');
    expect((await user.craft(project, ['pack'])).code).toBe(1);
    expect(await project.made()).toEqual(['parts', 'prime', 'stage']);
  });
});

describe('a build that goes around the proxy', () => {
  const address = Object.values(networkInterfaces())
    .flatMap((found) => found ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

  it.each([
    ['curl --noproxy', (url: URL) => `curl -sS --max-time 5 --noproxy '*' ${url.href}`],
    ['a plain connection', ({ hostname, port }: URL) => `exec 3<>/dev/tcp/${hostname}/${port}`],
    ['variables unset', (url: URL) => `env -i /usr/bin/curl -sS --max-time 5 ${url.href}`],
    [
      'Node without settings',
      (url: URL) =>
        `NODE_USE_ENV_PROXY=0 node -e 'fetch("${url.href}").then(() => process.exit(0), () => process.exit(1))'`,
    ],
  ])('%s: does not get out, and the report has nothing of it (promise 9)', async (_name, command) => {
    const upstream = keepForTest(await startHttpUpstream((_request, response) => void response.end('out')));
    const onOther = keepForTest(
      await startHttpUpstream((_request, response) => void response.end('out'), { address: address ?? '127.0.0.1' }),
    );
    const tries = [upstream, onOther].map(
      ({ url }) => `if (${command(new URL(`${url}/`))}); then touch "$CRAFT_PART_INSTALL/got-out"; fi`,
    );
    const project = await scene.project(user, [...tries, get('LISTED')].join('\n'));
    const ran = await user.craft(project, strict);
    expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    expect([upstream.connections, onOther.connections]).toEqual([0, 0]);
    await expect(project.read('.craft/strict-here/prime/got-out')).rejects.toThrow('ENOENT');
    const report = await project.report(`${artifact}.json`);
    expect(report['build-environment']).toEqual({ kind: 'bubblewrap', 'bypass-controlled': true });
    expect(report.artifacts.map(({ metadata }) => metadata.sha256)).toEqual([sha256('listed\n')]);
    expect([...report.refusals, ...report.failures, ...report.responses]).toEqual([]);
  });
});
