import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CraftUser } from './harness/craft.js';
import { type FilesScene, get, openFilesScene } from './harness/craft-files.js';
import { type CraftProject, craftYaml, hostArchitecture, script } from './harness/craft-project.js';
import { binDir } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { run } from './harness/run.js';

const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';

let scene: FilesScene;
let user: CraftUser;
beforeAll(async () => {
  scene = await openFilesScene(keep);
  user = await scene.user();
});

describe('craft report', () => {
  let project: CraftProject;
  beforeAll(async () => {
    project = await scene.project(user, `${get('LISTED')}\n${get('UNLISTED')}`);
    await user.craft(project, ['pack', '--enable-fetch-service=permissive']);
  });

  it('is readable', async () => {
    const ran = await user.craft(project, ['report', `${artifact}.json`]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const report = await project.report(`${artifact}.json`);
    expect(ran.stdout.replace(/took .*/, 'took TIME')).toBe(
      [
        `sample 1.0 (${hostArchitecture()}): packed, ${artifact}`,
        'Build environment: bubblewrap, nothing could go around the session',
        `Session ${report['session-id']}: permissive, revoked`,
        `Began ${report['start-time']}, took TIME`,
        '',
        '2 artifacts in 2 downloads, 16 B: 1 approved, 1 not approved',
        '  generic.file      1        7 B  verified by pinned digest (generic.files[0])',
        '  not approved      1        9 B',
        '',
        'Delivered, but a strict session would have refused (1):',
        '  build of part app',
        `    GET ${scene.unlisted}`,
        `      default: no inspector recognises ${scene.unlisted}`,
        '      → add its origin to inspectors.yaml, which has generic; docs/fetch-service.md lists the sections there are',
        '',
      ].join('\n'),
    );
  });

  it('as JSON is one document on standard output', async () => {
    const ran = await user.craft(project, ['report', '--format', 'json', `${artifact}.json`]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toMatchObject({
      command: 'report',
      ok: true,
      reports: [
        {
          build: { result: 'packed', artifact, bypassControlled: true },
          session: {
            policy: 'permissive',
            artifacts: 2,
            approved: 1,
            refusals: [{ url: scene.unlisted, part: 'app' }],
          },
        },
      ],
    });
  });

  it('says what is none', async () => {
    for (const file of ['craft.yaml', 'absent.json']) {
      const ran = await user.craft(project, ['report', file]);
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toContain('[CRAFT_REPORT_INVALID]');
      const json = await user.craft(project, ['report', '--format', 'json', file]);
      expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, errors: [{ code: 'CRAFT_REPORT_INVALID' }] });
    }
  });
});

describe('--format json', () => {
  it.each([
    ['a pack', get('LISTED'), 0, { ok: true, items: [{ result: 'packed' }], errors: [] }],
    [
      'a refusal',
      get('UNLISTED'),
      2,
      { ok: false, items: [{ result: 'refused' }], errors: [{ code: 'CRAFT_REFUSED' }, {}] },
    ],
    ['a failure', 'exit 3', 1, { ok: false, items: [{ result: 'failed' }], errors: [{ code: 'CRAFT_PART_FAILED' }] }],
  ])('of %s', async (_name, text, code, value) => {
    const project = await scene.project(user, text);
    const ran = await user.craft(project, ['pack', '--enable-fetch-service', '--format=json']);
    expect(ran.code).toBe(code);
    const document = JSON.parse(ran.stdout);
    expect(document).toMatchObject({ command: 'pack', ...value });
    const [item] = document.items;
    expect(item.report).toBe(project.at(code === 0 ? `${artifact}.json` : 'sample_1.0_here.json'));
    if (code === 0)
      expect(item.artifact).toMatchObject({ path: project.at(artifact), sha256: await project.sha256(artifact) });
  });

  it('of an error before anything began, and of the other commands', async () => {
    const project = await user.project({ 'craft.yaml': 'nmae: x\n' });
    const ran = await user.craft(project, ['pack', '--format=json']);
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      command: 'pack',
      ok: false,
      errors: [{ code: 'CRAFT_PROJECT_INVALID' }],
    });
    await project.write({ 'craft.yaml': craftYaml({ app: script('true') }) });
    for (const command of ['pull', 'build', 'stage', 'prime', 'clean']) {
      const done = await user.craft(project, [command, '--format=json']);
      expect(done.code).toBe(0);
      expect(JSON.parse(done.stdout)).toMatchObject({ command, ok: true, errors: [] });
    }
  });
});

describe('how much is told', () => {
  it('--quiet keeps to what is wrong, --verbose shows the build', async () => {
    const project = await scene.project(user, 'echo compiling');
    const quiet = await user.craft(project, ['build', '-q']);
    expect(quiet).toMatchObject({ code: 0, stdout: '', stderr: '' });
    await user.craft(project, ['clean']);
    const verbose = await user.craft(project, ['build', '-v']);
    expect(verbose.stderr).toContain('build app\n  compiling\n');
    await user.craft(project, ['clean']);
    const loud = await user.craft(project, ['build'], { env: { CRAFT_VERBOSITY_LEVEL: 'verbose' } });
    expect(loud.stderr).toContain('  compiling\n');
  });

  it.each([
    [['--help'], 'craft report'],
    [['pack', '--help'], '--enable-fetch-service [policy]'],
    [['help', 'clean'], 'craft clean'],
    [['--version'], 'craft 0.'],
  ])('craft %j', async (args, text) => {
    const ran = await user.craft({ dir: user.dir }, args);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain(text);
  });
});

describe('on a terminal of 80 columns', () => {
  const clear = '\r\u001b[2K';
  /** What util-linux' script recorded: every byte that the terminal got. */
  async function record(project: CraftProject, args: string): Promise<string> {
    const command = `stty cols 80 rows 24; exec ${join(binDir, 'craft')} ${args}`;
    const ran = await run('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      cwd: project.dir,
      env: { ...user.env, TERM: 'xterm' },
    });
    return ran.stdout.replaceAll('\r\n', '\n');
  }
  /** What stays on the screen of such a recording. */
  const screen = (text: string) =>
    stripVTControlCharacters(
      text
        .split('\n')
        .map((line) => line.split(clear).at(-1))
        .join('\n'),
    );

  it('one line updates itself and is gone in the end', async () => {
    const project = await scene.project(user, get('LISTED'));
    const recorded = await record(project, 'pack --enable-fetch-service');
    expect(recorded).toContain(clear);
    expect(recorded).toMatch(/ app · 1 download · \d/);
    expect(screen(recorded)).toMatch(
      new RegExp(
        `^(pull  app\nbuild app\nstage app\nprime app\n)1 artifact in 1 download, 7 B: all approved\n.*\n\nPacked ${artifact} \\(\\d+ B\\)\n  sha256 [0-9a-f]{64}\nReport ${artifact}.json\n$`,
      ),
    );
  });

  it('no line is longer, but for what has to stay whole', async () => {
    const project = await scene.project(user, `${get('LISTED')}\n${get('UNLISTED')}`);
    for (const args of ['pack --enable-fetch-service', 'report sample_1.0_here.json', 'pack --platform nowhere']) {
      const text = screen(await record(project, args));
      const long = text.split('\n').filter((line) => line.length > 80 && !/\S{30}/.test(line));
      expect(long).toEqual([]);
      expect(text).not.toContain('\r');
    }
  });
});
