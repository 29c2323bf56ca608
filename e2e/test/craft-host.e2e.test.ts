import { beforeAll, describe, expect, it } from 'vitest';
import type { CraftUser } from './harness/craft.js';
import { type FilesScene, get, openFilesScene } from './harness/craft-files.js';
import { keepForFile } from './harness/keep.js';
import { linkProgramsWithout } from './harness/programs.js';
import { sha256 } from './harness/report.js';

const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';
const strict = ['pack', '--enable-fetch-service'];

let scene: FilesScene;
let user: CraftUser;
/** Every program of this machine but bwrap. */
let withoutBubblewrap: string;
beforeAll(async () => {
  scene = await openFilesScene(keep);
  user = await scene.user();
  withoutBubblewrap = user.at('bin');
  await linkProgramsWithout('bwrap', withoutBubblewrap);
});

describe('a session whose build runs on the host', () => {
  it.each([
    ['--destructive-mode', ['--destructive-mode'], () => ({}), 'as asked for'],
    ['CRAFT_BUILD_ENVIRONMENT=host', [], () => ({ CRAFT_BUILD_ENVIRONMENT: 'host' }), 'as asked for'],
    ['no bubblewrap', [], () => ({ PATH: withoutBubblewrap }), 'because bwrap is not installed (package bubblewrap)'],
  ] as const)('%s: is recorded and refused all the same, and craft says that it can be gone around', async (...row) => {
    const [, args, env, why] = row;
    const project = await scene.project(user, `${get('LISTED')}\nenv > "$CRAFT_PART_INSTALL/env.txt"`);
    const ran = await user.craft(project, [...strict, ...args], { env: env() });
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(ran.stderr).toContain(
      `warning: the build runs on the host, ${why}: nothing keeps it from going around the session, and the report says so\n`,
    );
    const report = await project.report(`${artifact}.json`);
    expect(report['build-environment']).toEqual({ kind: 'host', 'bypass-controlled': false });
    expect(report.artifacts.map(({ metadata }) => metadata.sha256)).toEqual([sha256('listed\n')]);
    // The relay adds the credentials here as well: the build sees a proxy without any.
    const inside = await project.read('.craft/strict-here/prime/env.txt');
    expect(inside).toMatch(/^https_proxy=http:\/\/127\.0\.0\.1:\d+$/m);
    const shown = await user.craft(project, ['report', `${artifact}.json`]);
    expect(shown.stdout).toContain('Build environment: host; downloads around the session were not prevented\n');
  });

  it('refuses what is not listed', async () => {
    const project = await scene.project(user, get('UNLISTED'));
    const ran = await user.craft(project, [...strict, '--destructive-mode']);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain(`  build of part app\n    GET ${scene.unlisted}\n`);
  });

  it('gets the https sources of its parts through the session', async () => {
    const part = { plugin: 'dump', source: scene.unlisted, 'source-type': 'file' };
    const project = await scene.project(user, 'true', { parts: { app: part } });
    const before = scene.seen(scene.unlisted);
    const ran = await user.craft(project, [...strict, '--destructive-mode']);
    expect(ran.code).toBe(2);
    expect(scene.seen(scene.unlisted)).toBe(before);
  });

  it('an ordinary build says nothing of a session', async () => {
    const project = await scene.project(user, 'touch "$CRAFT_PART_INSTALL/built"');
    const ran = await user.craft(project, ['pack', '--destructive-mode']);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(ran.stderr).not.toContain('warning');
    const old = await user.craft(project, ['pack'], { env: { PATH: withoutBubblewrap } });
    expect(old.stderr).not.toContain('warning');
  });
});
