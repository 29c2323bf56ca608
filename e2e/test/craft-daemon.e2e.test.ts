import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { tapControl } from './harness/control-tap.js';
import { endDaemon, startDaemonByHand } from './harness/craft.js';
import { type FilesScene, get, openFilesScene } from './harness/craft-files.js';
import { type CraftProject, craftYaml } from './harness/craft-project.js';
import { binDir } from './harness/daemon.js';
import { startForwardProxy } from './harness/forward-proxy.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { freePorts } from './harness/ports.js';
import { sha256 } from './harness/report.js';
import { run } from './harness/run.js';
import { until } from './harness/until.js';

const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';
const failure = 'sample_1.0_here.json';
const strict = ['pack', '--enable-fetch-service'];

let scene: FilesScene;
beforeAll(async () => {
  scene = await openFilesScene(keep);
});

/** Waits until a build asks for the slow file, `times` in all from now on. */
function slowAsked(times = 1): () => Promise<void> {
  const before = scene.seen(scene.slow);
  return async () => void (await until('the build is in the middle', () => scene.seen(scene.slow) >= before + times));
}

async function digests(project: CraftProject, report: string): Promise<string[]> {
  return (await project.report(report)).artifacts.map(({ metadata }) => metadata.sha256).sort();
}

/** No half-written file anywhere in the project's directory. */
async function expectNothingHalf(project: CraftProject): Promise<void> {
  const names = await readdir(project.dir, { recursive: true });
  expect(names.filter((name) => /\.part$|\.tmp$|~$/.test(name))).toEqual([]);
}

describe('an interrupted pack', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s: exit 130, the session is closed, its report is there',
    async (signal) => {
      const user = await scene.user();
      const project = await scene.project(user, `${get('LISTED')}\n${get('SLOW')}`);
      const inTheMiddle = slowAsked();
      const run = user.start(project, strict);
      await inTheMiddle();
      expect(await user.activeSessions()).toHaveLength(1);
      run.kill(signal);
      const ran = await run.ended;
      scene.release();
      expect(ran.code).toBe(130);
      expect(ran.stderr).toContain(`craft: interrupted by ${signal} [CRAFT_INTERRUPTED]`);
      expect(await project.made()).toEqual([failure]);
      expect((await project.report(failure)).build).toMatchObject({
        result: 'interrupted',
        error: { code: 'CRAFT_INTERRUPTED' },
      });
      expect(await digests(project, failure)).toEqual([sha256('listed\n')]);
      expect(await user.activeSessions()).toEqual([]);
      await expectNothingHalf(project);
      await expectNoProcess(project.dir);
    },
  );

  it('an ordinary one: exit 130, and the next run goes on', async () => {
    const user = await scene.user();
    const project = await user.project({
      'craft.yaml': craftYaml({
        first: scene.part('touch "$CRAFT_PART_INSTALL/first"'),
        second: scene.part('[ -e "$CRAFT_PROJECT_DIR/go" ] || { echo waiting; sleep 60; }'),
      }),
    });
    const run = user.start(project, ['pack', '--verbose']);
    await until('the build waits', () => run.output().includes('waiting'));
    run.kill('SIGINT');
    expect((await run.ended).code).toBe(130);
    expect(await user.runtime()).toBeUndefined();
    await expectNoProcess(project.dir);
    await project.write({ go: '' });
    const again = await user.craft(project, ['pack']);
    expect(again, again.stderr).toMatchObject({ code: 0 });
    expect(again.stderr).toContain('build first skip (done before)');
    expect(again.stderr).toContain('build second\n');
  });
});

describe('craft killed (-9) in the middle', () => {
  it('leaves no process of the build, and the next run packs', async () => {
    const user = await scene.user();
    const project = await scene.project(user, get('SLOW'));
    const inTheMiddle = slowAsked();
    const run = user.start(project, strict);
    await inTheMiddle();
    run.kill('SIGKILL');
    expect(await run.ended).toMatchObject({ signal: 'SIGKILL' });
    await expectNoProcess(project.dir);
    scene.release();
    expect(await project.made()).toEqual([]);
    await project.write({ 'craft.yaml': craftYaml({ app: scene.part(get('LISTED')) }) });
    const again = await user.craft(project, strict);
    expect(again, again.stderr).toMatchObject({ code: 0 });
    expect(await digests(project, `${artifact}.json`)).toEqual([sha256('listed\n')]);
  });
});

describe('the daemon killed (-9) during the build', () => {
  it('a build that needs nothing more: a new daemon gives the whole report (promise 2)', async () => {
    const user = await scene.user();
    const project = await scene.project(user, `${get('LISTED')}\necho waiting\nuntil [ -e go ]; do sleep 0.1; done`);
    const run = user.start(project, [...strict, '--verbose']);
    await until('the build waits', () => run.output().includes('waiting'));
    const before = (await user.runtime())?.pid ?? 0;
    await endDaemon(before, 'SIGKILL');
    await project.write({ '.craft/strict-here/parts/app/build/go': '' });
    const ran = await run.ended;
    expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    expect(await project.made()).toEqual([artifact, `${artifact}.json`]);
    expect(await digests(project, `${artifact}.json`)).toEqual([sha256('listed\n')]);
    expect((await user.runtime())?.pid).not.toBe(before);
    expect(await user.activeSessions()).toEqual([]);
  });

  it('a build in the middle of a download: it fails, and the report has what was complete', async () => {
    const user = await scene.user();
    const project = await scene.project(user, `${get('LISTED')}\n${get('SLOW')}`);
    const inTheMiddle = slowAsked();
    const run = user.start(project, strict);
    await inTheMiddle();
    await endDaemon((await user.runtime())?.pid ?? 0, 'SIGKILL');
    const ran = await run.ended;
    scene.release();
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^craft: build of part app failed with exit code \d+ \[CRAFT_PART_FAILED\]$/m);
    expect(await project.made()).toEqual([failure]);
    expect(await digests(project, failure)).toEqual([sha256('listed\n')]);
    expect(await user.activeSessions()).toEqual([]);
    await expectNothingHalf(project);
  });

  it('and one that does not start again: a clear error, no artifact, nothing half written', async () => {
    const user = await scene.user();
    const first = await scene.project(user, get('LISTED'));
    expect((await user.craft(first, strict)).code).toBe(0);
    const project = await scene.project(user, `${get('LISTED')}\necho waiting\nuntil [ -e go ]; do sleep 0.1; done`);
    const run = user.start(project, [...strict, '--verbose'], { env: { WAYBILL_FETCH_SERVICE: '/bin/false' } });
    await until('the build waits', () => run.output().includes('waiting'));
    await endDaemon((await user.runtime())?.pid ?? 0, 'SIGKILL');
    await project.write({ '.craft/strict-here/parts/app/build/go': '' });
    const ran = await run.ended;
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(
      /^craft: the report of session [0-9a-f]{32} could not be read: .*\[CRAFT_REPORT_LOST\]$/m,
    );
    expect(ran.stderr).toMatch(/^ {2}→ the fetch service keeps it: start it again/m);
    expect(await project.made()).toEqual([]);
    await expectNothingHalf(project);
  });
});

describe('a configuration that changes while the daemon runs', () => {
  it('inspectors.yaml holds for the next pack, what it takes back as well', async () => {
    const user = await scene.user();
    const project = await scene.project(user, get('UNLISTED'));
    expect((await user.craft(project, strict)).code).toBe(2);
    const { pid } = (await user.runtime()) ?? {};
    const file = user.at('config/waybill/inspectors.yaml');
    const before = await readFile(file, 'utf8');
    const files = [{ url: scene.unlisted, sha256: sha256('unlisted\n') }];
    await writeFile(file, JSON.stringify({ generic: { files } }));
    const allowed = await user.craft(project, strict);
    expect(allowed, allowed.stdout + allowed.stderr).toMatchObject({ code: 0 });
    await writeFile(file, before);
    expect((await user.craft(project, strict)).code).toBe(2);
    await writeFile(file, 'generic:\n  flies: []\n');
    const wrong = await user.craft(project, strict);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain(`${file}:2:3: unknown key \`flies\``);
    expect((await user.runtime())?.pid).toBe(pid);
    expect(await user.activeSessions()).toEqual([]);
  });

  it('acl.yaml: craft says how to make it known, and that works', async () => {
    const user = await scene.user({ acl: 'http-proxy:\n  policy: allow\n' });
    const project = await scene.project(user, get('LISTED'));
    expect((await user.craft(project, strict)).code).toBe(2);
    await user.allowLoopback();
    const ran = await user.craft(project, strict);
    expect(ran.code).toBe(2);
    const command = /to make it known: fetchctl (.*)\n/.exec(ran.stderr)?.[1]?.split(' ') ?? [];
    const updated = await run(join(binDir, 'fetchctl'), command, { env: user.env });
    expect(updated, updated.stderr).toMatchObject({ code: 0 });
    const again = await user.craft(project, strict);
    expect(again, again.stdout + again.stderr).toMatchObject({ code: 0 });
  });
});

describe('one daemon for all', () => {
  it('is started once by two runs at the same time, which do not disturb each other', async () => {
    const user = await scene.user();
    const projects = [
      await scene.project(user, `${get('LISTED')}\n${get('SLOW')}`),
      await scene.project(user, get('SLOW')),
    ] as const;
    const inTheMiddle = slowAsked(2);
    const runs = projects.map((project) => user.start(project, strict));
    await inTheMiddle();
    expect(await user.activeSessions()).toHaveLength(2);
    const { pid } = (await user.runtime()) ?? {};
    scene.release();
    const [one, other] = await Promise.all(runs.map((run) => run.ended));
    expect(one, one?.stderr).toMatchObject({ code: 0 });
    expect(other, other?.stderr).toMatchObject({ code: 0 });
    expect((await user.runtime())?.pid).toBe(pid);
    const both = [sha256('listed\n'), sha256('slow\n')].sort();
    expect(await digests(projects[0], `${artifact}.json`)).toEqual(both);
    expect(await digests(projects[1], `${artifact}.json`)).toEqual([sha256('slow\n')]);
    expect(await user.activeSessions()).toEqual([]);
  });

  it('one run that is interrupted does not end the other', async () => {
    const user = await scene.user();
    const [one, other] = [await scene.project(user, get('SLOW')), await scene.project(user, get('SLOW'))];
    const inTheMiddle = slowAsked(2);
    const interrupted = user.start(one, strict);
    const kept = user.start(other, strict);
    await inTheMiddle();
    interrupted.kill('SIGINT');
    expect((await interrupted.ended).code).toBe(130);
    scene.release();
    const ran = await kept.ended;
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await digests(other, `${artifact}.json`)).toEqual([sha256('slow\n')]);
  });

  it('two runs in one project: the second is told, the first goes on', async () => {
    const user = await scene.user();
    const project = await scene.project(user, get('SLOW'));
    const inTheMiddle = slowAsked();
    const first = user.start(project, strict);
    await inTheMiddle();
    const second = await user.craft(project, strict);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/craft: another craft run \(process \d+\) builds this project \[CRAFT_WORK_BUSY\]/);
    expect(await user.activeSessions()).toHaveLength(1);
    scene.release();
    const ran = await first.ended;
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await project.made()).toEqual([artifact, `${artifact}.json`]);
  });

  it('that was started by hand is found through the runtime file and not stopped', async () => {
    const user = await scene.user();
    const ports = await freePorts();
    const daemon = keepForTest(await startDaemonByHand(user, ports));
    const runtime = await user.runtime();
    expect(runtime).toMatchObject({ 'control-url': `http://127.0.0.1:${ports.control}`, auth: 'hand:made' });
    const project = await scene.project(user, get('LISTED'));
    const ran = await user.craft(project, strict);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(ran.stderr).not.toContain('starting the fetch service');
    expect(await user.runtime()).toEqual(runtime);
    expect(runtime?.pid).toBe(daemon.pid);
    // No daemon of its own, so neither spool nor configuration; notes of sessions go with them.
    expect(await readdir(user.at('state/waybill'))).toEqual(['sessions']);
    expect(await readdir(user.at('state/waybill/sessions'))).toEqual([]);
    expect((await project.report(`${artifact}.json`))['spool-path']).toContain('spool-by-hand');
  });

  it('has a secret of its own, which its file keeps from others', async () => {
    const user = await scene.user();
    const tapped = await scene.project(user, get('LISTED'));
    expect((await user.craft(tapped, strict)).code).toBe(0);
    const runtime = await user.runtime();
    expect(runtime?.auth).toMatch(/^craft:[\w-]{43}$/);
    const file = user.at('run/waybill/fetch-service.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    for (const auth of ['craft:craft', 'craft:']) {
      const response = await fetch(new URL('/session', runtime?.['control-url']), {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(auth).toString('base64')}` },
        body: '{"policy":"strict"}',
      });
      expect(response.status).toBe(401);
    }
  });

  it('whose control calls fail in between is asked again', async () => {
    const user = await scene.user();
    const project = await scene.project(user, get('LISTED'));
    expect((await user.craft(project, strict)).code).toBe(0);
    const file = user.at('run/waybill/fetch-service.json');
    const tap = keepForTest(await tapControl(file, { failing: ['DELETE /session/ID/token', 'GET /session/ID'] }));
    const ran = await user.craft(project, strict);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(tap.calls.filter((call) => !call.endsWith('/events'))).toEqual([
      'POST /session',
      'DELETE /session/ID/token',
      'DELETE /session/ID/token',
      'GET /session/ID',
      'GET /session/ID',
      'DELETE /session/ID',
      'DELETE /resources/ID',
    ]);
  });

  it('uses the proxy of the host for what it fetches, and craft does not use it for its calls', async () => {
    const proxy = keepForTest(await startForwardProxy());
    const hostProxy = { http_proxy: proxy.url, HTTPS_PROXY: proxy.url, https_proxy: proxy.url, NO_PROXY: '*.example' };
    const user = await scene.user({ env: hostProxy });
    const project = await scene.project(user, `${get('LISTED')}\nenv > "$CRAFT_PART_INSTALL/env.txt"`);
    const ran = await user.craft(project, strict);
    expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    expect(proxy.asked).toEqual([`CONNECT ${new URL(scene.listed).host}`]);
    const inside = await project.read('.craft/strict-here/prime/env.txt');
    expect(inside).not.toContain(String(proxy.port));
    expect(inside).not.toContain('*.example');
  });

  it('that cannot be started: what it said, exit 1, nothing made', async () => {
    const user = await scene.user();
    const project = await scene.project(user, get('LISTED'));
    const missing = await user.craft(project, strict, { env: { WAYBILL_FETCH_SERVICE: '/nonexistent/fetch-service' } });
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('CRAFT_DAEMON_MISSING');
    const broken = await user.craft(project, strict, { env: { WAYBILL_FETCH_SERVICE: '/bin/false' } });
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain('craft: the fetch service did not start: exit code 1 [CRAFT_DAEMON_START_FAILED]');
    expect(await project.made()).toEqual([]);
    const bad = await scene.user({ inspectors: { nmp: {} } });
    const other = await scene.project(bad, get('LISTED'));
    const misspelt = await bad.craft(other, strict);
    expect(misspelt.code).toBe(1);
    expect(misspelt.stderr).toContain('CRAFT_DAEMON_START_FAILED');
    expect(misspelt.stderr).toMatch(/inspectors\.yaml:2:3: .*nmp/);
  });
});

/** Nothing that the build started runs on. */
async function expectNoProcess(dir: string): Promise<void> {
  await until('every process of the build is gone', async () => {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      if (environment.includes(`CRAFT_PROJECT_DIR=${dir}`)) return false;
    }
    return true;
  });
}
