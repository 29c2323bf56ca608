import { mkdir, writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CraftUser } from './harness/craft.js';
import { type FilesScene, get, openFilesScene } from './harness/craft-files.js';
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

describe('--enable-fetch-service', () => {
  it.each([
    ['bare', ['--enable-fetch-service'], 'strict'],
    ['bare, before another option', ['--enable-fetch-service', '--output', '.'], 'strict'],
    ['=strict', ['--enable-fetch-service=strict'], 'strict'],
    ['=permissive', ['--enable-fetch-service=permissive'], 'permissive'],
    ['a word of its own', ['--enable-fetch-service', 'permissive'], 'permissive'],
  ] as const)('%s', async (_name, args, policy) => {
    const project = await scene.project(user, get('LISTED'));
    const ran = await user.craft(project, ['pack', ...args]);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect((await project.report(`${artifact}.json`)).policy).toBe(policy);
  });

  it.each([
    [['pack', '--enable-fetch-service=loose'], "'loose' is invalid. expected strict or permissive."],
    [['pack', '--enable-fetch-service', 'Strict'], "'Strict' is invalid. expected strict or permissive."],
    [['pack', '--enable-fetch-service='], 'expected strict or permissive.'],
    [['build', '--enable-fetch-service'], "unknown option '--enable-fetch-service'"],
    [['pack', 'part'], 'too many arguments'],
    [['pack', '--platform', 'a', '--build-for', 'b'], 'cannot be used with'],
    [['frobnicate'], "unknown command 'frobnicate'"],
    [[], 'Usage: craft'],
  ])('craft %j is a usage error', async (args, text) => {
    const project = await scene.project(user, 'true');
    const ran = await user.craft(project, args);
    expect(ran).toMatchObject({ code: 64, stdout: '' });
    expect(ran.stderr).toContain(text);
    expect(await project.made()).toEqual([]);
  });
});

describe('--output', () => {
  it('is made where it is named, elsewhere too, and gets the report as well', async () => {
    const project = await scene.project(user, get('LISTED'));
    const elsewhere = user.at('elsewhere/deep');
    const ran = await user.craft(project, ['pack', '--enable-fetch-service', '--output', elsewhere]);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain(`Packed ${elsewhere}/${artifact} (`);
    expect(ran.stdout).toContain(`Report ${elsewhere}/${artifact}.json\n`);
    expect(await project.made()).toEqual([]);
    const other = await user.project({});
    expect(await other.made('../elsewhere/deep')).toEqual([artifact, `${artifact}.json`]);
  });

  it('that cannot be written is told before the build', async () => {
    const project = await scene.project(user, 'true');
    await writeFile(user.at('file'), '');
    for (const output of [user.at('file'), user.at('file/below'), '/proc/nowhere']) {
      const ran = await user.craft(project, ['pack', '--enable-fetch-service', '--output', output]);
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toMatch(/^craft: cannot write into .* \[CRAFT_OUTPUT_UNWRITABLE\]\n {2}→ name another/);
    }
    expect(await project.made()).toEqual([]);
  });

  it('whose file system is full: an error, the session closed, nothing half there', async (context) => {
    const project = await scene.project(
      user,
      `${get('LISTED')}\nhead -c 3000000 /dev/urandom > "$CRAFT_PART_INSTALL/large"`,
    );
    const small = user.at('small');
    await mkdir(small);
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
    // As in disk-full: .ci/run, where it can be mounted, counts a skip as a failure.
    if (mounted.code !== 0) context.skip(`no tmpfs can be mounted here: ${mounted.stderr.trim()}`);
    try {
      const ran = await user.craft(project, ['pack', '--enable-fetch-service', '--output', small]);
      expect(ran.code).toBe(1);
      expect(ran.stderr).toMatch(/craft: cannot write .*: ENOSPC.*\[CRAFT_PACK_FAILED\]/);
      const left = await user.project({});
      expect(await left.made('../small')).toEqual(['sample_1.0_here.json']);
      expect(await user.activeSessions()).toEqual([]);
    } finally {
      await run('umount', [small]);
    }
  });
});
