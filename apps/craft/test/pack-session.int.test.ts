import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CraftReport, craftReportSchema } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCraft, type Terminal } from '../src/cli/run.js';
import { CraftError } from '../src/errors.js';
import { hostArchitecture } from '../src/project/plan.js';
import { answer, type FakeService, hangUp, startFakeService } from './fake-service.js';
import { sampleArtifact, sampleRefusal } from './sample-report.js';

const arch = hostArchitecture();

let service: FakeService;
let dir: string;
let project: string;
beforeEach(async () => {
  service = await startFakeService();
  dir = await mkdtemp(join(tmpdir(), 'craft-pack-'));
  project = join(dir, 'project');
  await mkdir(join(dir, 'run/waybill'), { recursive: true, mode: 0o700 });
  await writeFile(join(dir, 'run/waybill/fetch-service.json'), JSON.stringify(service.runtime()), { mode: 0o600 });
  await mkdir(project);
  await write('echo built > "$CRAFT_PART_INSTALL/file"');
});
afterEach(async () => {
  await service.close();
  await rm(dir, { recursive: true, force: true });
});

const closing = ['DELETE /session/ID/token', 'GET /session/ID', 'DELETE /session/ID', 'DELETE /resources/ID'];

const write = (script: string, more = '') =>
  writeFile(
    join(project, 'craft.yaml'),
    `name: sample\nversion: "1.0"\nplatforms: {here: {build-on: ${arch}, build-for: ${arch}}, all-of: {build-on: ${arch}, build-for: all}}\n${more}parts:\n  app:\n    plugin: nil\n    override-build: |\n${script.replaceAll(/^/gm, '      ')}\n`,
  );

/** Runs craft in this process, as a user would on the command line. */
async function craft(args: string, more: Partial<Terminal> = {}) {
  let [out, err] = ['', ''];
  const code = await runCraft(args.split(' '), {
    env: {
      PATH: process.env.PATH,
      HOME: dir,
      WAYBILL_RUNTIME_DIR: join(dir, 'run'),
      XDG_STATE_HOME: join(dir, 'state'),
      XDG_CONFIG_HOME: join(dir, 'config'),
    },
    cwd: project,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    isTerminal: false,
    columns: () => 80,
    signal: new AbortController().signal,
    ...more,
  });
  return { code, out, err };
}

const pack = (more = '', terminal: Partial<Terminal> = {}) =>
  craft(`pack --enable-fetch-service --destructive-mode --platform here${more}`, terminal);
const report = async (name: string) => JSON.parse(await readFile(join(project, name), 'utf8')) as CraftReport;
const results = async () => (await readdir(project)).filter((name) => name.startsWith('sample_')).sort();

describe('craft pack in a managed session', () => {
  it('opens the session before the build, closes it before packing, and leaves artifact and report', async () => {
    const artifacts = [
      sampleArtifact('left', { chains: [[{ kind: 'origin', name: 'registry', id: 'npm.registries.default' }]] }),
    ];
    Object.assign(service.report, { artifacts });
    const { code, out } = await pack();
    expect(code).toBe(0);
    expect(service.calls.filter((call) => !call.startsWith('GET /status') && call !== 'GET /ca.pem')).toEqual([
      'POST /session',
      'GET /session/ID/events',
      ...closing,
    ]);
    expect(await results()).toEqual(['sample_1.0_here.tar.gz', 'sample_1.0_here.tar.gz.json']);
    expect(out).toContain('1 artifact in 1 download, 1.0 kB: all approved');
    expect(out).toContain('verified by origin npm.registries.default');
    expect(out).toContain('Packed sample_1.0_here.tar.gz');
    const written = await report('sample_1.0_here.tar.gz.json');
    expect(craftReportSchema.safeParse(written).success).toBe(true);
    expect(written).toMatchObject({
      'x-future': { kept: true },
      build: { result: 'packed' },
      'build-environment': { kind: 'host', 'bypass-controlled': false },
    });
    expect(written.build.steps.map(({ part, step }) => `${step} ${part}`)).toEqual([
      'pull app',
      'build app',
      'stage app',
      'prime app',
    ]);
  });

  it('makes an artifact and a report for every platform', async () => {
    const { code } = await craft('pack --enable-fetch-service --destructive-mode --output ../out');
    expect(code).toBe(0);
    expect((await readdir(join(dir, 'out'))).sort()).toEqual([
      'sample_1.0_all-of.tar.gz',
      'sample_1.0_all-of.tar.gz.json',
      'sample_1.0_here.tar.gz',
      'sample_1.0_here.tar.gz.json',
    ]);
    expect(service.calls.filter((call) => call === 'POST /session')).toHaveLength(2);
  });

  it('ends with 2 for a refusal that the build swallowed, names part and step, and packs nothing', async () => {
    await write('date -u +%Y-%m-%dT%H:%M:%S.%3NZ > "$CRAFT_PROJECT_DIR/when"\nsleep 0.05');
    service.faults.set('GET /session/ID', (_request, response) => {
      readFile(join(project, 'when'), 'utf8').then((when) => {
        response.end(
          JSON.stringify({
            ...service.report,
            refusals: [sampleRefusal('https://evil.example:443/x', when.trim(), { hint: 'allow it' })],
          }),
        );
      });
    });
    const { code, out, err } = await pack();
    expect(code).toBe(2);
    expect(out).toContain(
      'Refused (1):\n  build of part app\n    GET https://evil.example:443/x\n      no inspector claims this request\n      → allow it',
    );
    expect(err).toContain('[CRAFT_REFUSED]');
    expect(await results()).toEqual(['sample_1.0_here.json']);
    expect(await report('sample_1.0_here.json')).toMatchObject({
      build: { result: 'refused' },
      refusals: [{ part: 'app', step: 'build' }],
    });
    service.faults.clear();
    expect((await pack()).code).toBe(0);
    expect(await results()).toEqual(['sample_1.0_here.tar.gz', 'sample_1.0_here.tar.gz.json']);
  });

  it('is content with refusals that a permissive session delivered', async () => {
    Object.assign(service.report, {
      policy: 'permissive',
      refusals: [sampleRefusal('https://x.example:443/', '2026-01-01T00:00:01.000Z', { delivered: true })],
    });
    const { code, out } = await craft('pack --enable-fetch-service=permissive --destructive-mode --platform here');
    expect(code).toBe(0);
    expect(out).toContain('a strict session would have refused (1)');
    expect(service.bodies).toContainEqual({ policy: 'permissive' });
  });

  it('names the policy of a session that refused: a permissive one does not deliver everything either', async () => {
    Object.assign(service.report, {
      policy: 'permissive',
      refusals: [sampleRefusal('https://x.example:443/', '2026-01-01T00:00:01.000Z')],
    });
    const { code, err } = await craft('pack --enable-fetch-service=permissive --destructive-mode --platform here');
    expect(code).toBe(2);
    expect(err).toContain('the permissive session refused a download [CRAFT_REFUSED]');
    expect(err).toContain('acl.yaml');
  });

  it('writes the report of a build that failed, shows its last lines and both causes', async () => {
    await write('echo the compiler says no >&2\nexit 3');
    Object.assign(service.report, { refusals: [sampleRefusal('https://x.example:443/', '2026-01-01T00:00:01.000Z')] });
    let told = '';
    const tell = (text: string) => {
      told += text;
    };
    const { code } = await pack('', { out: tell, err: tell });
    expect(code).toBe(2);
    // What decides comes last, below the list of refusals.
    const order = [
      '[CRAFT_PART_FAILED]',
      'the compiler says no',
      'Refused (1):',
      'the strict session refused a download',
    ];
    const places = order.map((text) => told.indexOf(text));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    Object.assign(service.report, { refusals: [] });
    expect((await pack()).code).toBe(1);
    expect(await report('sample_1.0_here.json')).toMatchObject({
      build: { result: 'failed', error: { code: 'CRAFT_PART_FAILED' } },
    });
    expect(service.calls.slice(-4)).toEqual(closing);
  });

  it('closes the session when it is interrupted, and says so in the report', async () => {
    await write('sleep 60');
    const controller = new AbortController();
    setTimeout(() => controller.abort(new CraftError('CRAFT_INTERRUPTED', 'interrupted by SIGINT')), 500);
    const { code, err } = await pack('', { signal: controller.signal });
    expect(code).toBe(130);
    expect(err).toContain('interrupted by SIGINT');
    expect(service.calls.slice(-4)).toEqual(closing);
    expect(await report('sample_1.0_here.json')).toMatchObject({ build: { result: 'interrupted' } });
  });

  it.each([
    ['POST /session', answer(500, '500 Internal Server Error'), 1, []],
    ['POST /session', answer(400, 'Invalid session policy'), 1, []],
    ['POST /session', hangUp, 1, []],
    ['DELETE /session/ID/token', answer(500, 'broken'), 1, []],
    ['GET /session/ID', answer(500, 'broken'), 1, []],
    ['GET /session/ID', answer(200, '{"artifacts": 3}'), 1, []],
    ['DELETE /session/ID', answer(500, 'broken'), 0, ['sample_1.0_here.tar.gz', 'sample_1.0_here.tar.gz.json']],
    [
      'DELETE /resources/ID',
      answer(409, 'session is not finished'),
      0,
      ['sample_1.0_here.tar.gz', 'sample_1.0_here.tar.gz.json'],
    ],
  ])('when %s fails, ends with %3$d and leaves no half of a result', async (call, fault, wanted, files) => {
    service.faults.set(call, fault);
    const { code, err } = await pack();
    expect(code).toBe(wanted);
    expect(await results()).toEqual(files);
    expect(err).toMatch(
      wanted === 0
        ? /warning: session s1 could not be removed/
        : /\[CRAFT_(CONTROL_FAILED|REPORT_LOST|REPORT_INVALID)\]/,
    );
    // A session whose report was not read keeps it.
    if (wanted === 1) expect(service.calls).not.toContain('DELETE /session/ID');
  });

  it('keeps both causes when the build and the closing fail', async () => {
    await write('exit 4');
    service.faults.set('GET /session/ID', answer(500, 'broken'));
    const { code, err } = await pack();
    expect(code).toBe(1);
    expect(err).toContain('[CRAFT_PART_FAILED]');
    expect(err).toContain('[CRAFT_REPORT_LOST]');
  });

  it('keeps the session when the report cannot be written', async () => {
    await mkdir(join(project, 'sample_1.0_here.tar.gz.json'));
    const { code, err } = await pack();
    expect(code).toBe(1);
    expect(err).toContain('[CRAFT_REPORT_LOST]');
    expect(service.calls).not.toContain('DELETE /session/ID');
  });

  it('uses nothing of an earlier build and leaves the warm one alone', async () => {
    await write('touch "$CRAFT_PART_INSTALL/file"; test ! -e "$HOME/seen"; touch "$HOME/seen"');
    await craft('pack --destructive-mode --platform here', { env: { PATH: process.env.PATH, HOME: dir } });
    await rm(join(dir, 'seen'));
    for (let run = 0; run < 2; run++) expect((await pack()).code).toBe(0);
    const again = await craft('pack --destructive-mode --platform here');
    expect(again.err.match(/skip/g)).toHaveLength(4);
  });

  it('takes away the report that would lie beside an artifact of another build', async () => {
    await pack();
    await craft('pack --destructive-mode --platform here');
    expect(await results()).toEqual(['sample_1.0_here.tar.gz']);
  });

  it('gives one JSON document', async () => {
    const { code, out } = await pack(' --format json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      command: 'pack',
      ok: true,
      errors: [],
      items: [
        {
          platform: 'here',
          result: 'packed',
          report: join(project, 'sample_1.0_here.tar.gz.json'),
          session: { id: 's1', policy: 'strict', refusals: [] },
        },
      ],
    });
    service.faults.set('POST /session', answer(401, '401 Unauthorized'));
    const failed = await pack(' --format json');
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.out)).toMatchObject({
      ok: false,
      errors: [{ code: 'CRAFT_CONTROL_DENIED', hint: expect.any(String) }],
    });
  });

  it('never shows the token', async () => {
    await write('env; exit 1');
    const { out, err } = await pack(' --verbosity debug');
    const log = await readFile(join(project, '.craft/strict-here/logs/app.build.log'), 'utf8');
    for (const text of [out, err, log, JSON.stringify(await report('sample_1.0_here.json'))])
      expect(text).not.toContain('secret-token');
  });
});

describe('what is wrong before a build', () => {
  it.each([
    ['a bad project file', async () => writeFile(join(project, 'craft.yaml'), 'nam: x\n'), 'CRAFT_PROJECT_INVALID'],
    ['no project file', async () => rm(join(project, 'craft.yaml')), 'CRAFT_PROJECT_MISSING'],
    [
      'a bad inspectors.yaml',
      async () => writeFile(join(project, 'inspectors.yaml'), 'git: 5\n'),
      'CRAFT_CONFIG_INVALID',
    ],
    [
      'parts in a circle',
      async () =>
        writeFile(
          join(project, 'craft.yaml'),
          `name: a\nversion: "1"\nplatforms: {here: {build-on: ${arch}, build-for: all}}\nparts: {a: {plugin: nil, after: [b]}, b: {plugin: nil, after: [a]}}\n`,
        ),
      'CRAFT_PART_CYCLE',
    ],
    [
      'a platform that is not there',
      async () =>
        writeFile(
          join(project, 'craft.yaml'),
          `name: a\nversion: "1"\nplatforms: {x: {build-on: ${arch === 's390x' ? 'amd64' : 's390x'}, build-for: all}}\nparts: {a: {plugin: nil}}\n`,
        ),
      'CRAFT_PLAN_EMPTY',
    ],
  ])('%s touches nothing', async (_name, prepare, code) => {
    await prepare();
    const result = await craft('pack --enable-fetch-service --destructive-mode');
    expect(result.code).toBe(1);
    expect(result.err).toContain(`[${code}]`);
    expect(service.calls).toEqual([]);
    expect(existsSync(join(project, '.craft'))).toBe(false);
  });

  it('an external session and the option exclude each other', async () => {
    const { code, err } = await pack('', { env: { PATH: process.env.PATH, CRAFT_USE_EXTERNAL_FETCH_SERVICE: '1' } });
    expect(code).toBe(1);
    expect(err).toContain('[CRAFT_SESSION_CONFLICT]');
    expect(service.calls).toEqual([]);
  });
});

describe('craft clean', () => {
  it('removes what builds left, and only that', async () => {
    await pack();
    await craft('build --destructive-mode --platform here');
    await writeFile(join(project, 'mine'), '');
    expect((await craft('clean')).code).toBe(0);
    expect((await readdir(project)).sort()).toEqual([
      'craft.yaml',
      'mine',
      'sample_1.0_here.tar.gz',
      'sample_1.0_here.tar.gz.json',
    ]);
  });

  it('makes a part run again', async () => {
    await craft('prime --destructive-mode --platform here');
    await craft('clean app');
    const { err } = await craft('prime --destructive-mode --platform here');
    expect(err).toBe('pull  app\nbuild app\nstage app\nprime app\n');
    expect((await craft('clean nobody')).err).toContain('[CRAFT_PART_UNKNOWN]');
  });
});

describe('craft report', () => {
  it('shows a report of craft and one of the service', async () => {
    await pack();
    const { code, out } = await craft('report sample_1.0_here.tar.gz.json');
    expect(code).toBe(0);
    expect(out).toContain(
      `sample 1.0 (${arch}): packed, sample_1.0_here.tar.gz\nBuild environment: host; downloads around the session were not prevented\nSession s1: strict, revoked\nBegan 2026-01-01T00:00:00.000Z, took 10.0 s`,
    );
    await writeFile(join(project, 'raw.json'), JSON.stringify(service.report));
    expect((await craft('report raw.json')).out).toContain('Session s1: strict');
    expect(JSON.parse((await craft('report raw.json --format json')).out)).toMatchObject({
      reports: [{ session: { id: 's1' } }],
    });
  });

  it('says what is no report', async () => {
    await writeFile(join(project, 'x.json'), '{}');
    for (const file of ['x.json', 'absent.json', 'craft.yaml']) {
      const { code, err } = await craft(`report ${file}`);
      expect(code).toBe(1);
      expect(err).toContain('[CRAFT_REPORT_INVALID]');
    }
  });
});
