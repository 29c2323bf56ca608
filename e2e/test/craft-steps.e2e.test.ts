import { chmod, cp, readdir, writeFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CraftUser } from './harness/craft.js';
import { type FilesScene, get, openFilesScene } from './harness/craft-files.js';
import { craftYaml, hostArchitecture, script } from './harness/craft-project.js';
import { keepForFile } from './harness/keep.js';
import { sha256 } from './harness/report.js';
import { run } from './harness/run.js';

const keep = keepForFile();
const artifact = 'sample_1.0_here.tar.gz';

let scene: FilesScene;
let user: CraftUser;
beforeAll(async () => {
  scene = await openFilesScene(keep);
  user = await scene.user();
});

describe('platforms', () => {
  const arch = hostArchitecture();
  const platforms = {
    here: { 'build-on': arch, 'build-for': arch },
    everywhere: { 'build-on': arch, 'build-for': 'all' },
  };
  const write = (text = '') =>
    scene.project(user, `${text}\necho "$CRAFT_PLATFORM" > "$CRAFT_PART_INSTALL/p"`, { platforms });

  it('have an artifact and a report each, from a session each', async () => {
    const project = await write(get('LISTED'));
    const ran = await user.craft(project, ['pack', '--enable-fetch-service']);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    const names = ['sample_1.0_everywhere.tar.gz', artifact];
    expect(await project.made()).toEqual(names.flatMap((name) => [name, `${name}.json`]));
    const [everywhere, here] = await Promise.all(names.map((name) => project.report(`${name}.json`)));
    expect(everywhere).toMatchObject({ architecture: 'all', build: { platform: 'everywhere', artifact: names[0] } });
    expect(here).toMatchObject({ architecture: arch, build: { platform: 'here', artifact: names[1] } });
    expect(everywhere?.['session-id']).not.toBe(here?.['session-id']);
    for (const [index, report] of [everywhere, here].entries()) {
      expect(report?.artifacts.map(({ metadata }) => metadata.sha256)).toEqual([sha256('listed\n')]);
      expect(report?.['component-id']?.hashes.sha256).toBe(await project.sha256(names[index] ?? ''));
    }
    expect(ran.stdout.match(/^Packed /gm)).toHaveLength(2);
    expect(ran.stderr).toMatch(/^platform here\n[\s\S]*^platform everywhere\n/m);
  });

  it.each([
    [['--platform', 'everywhere'], {}],
    [['--build-for', 'all'], {}],
    [[], { CRAFT_PLATFORM: 'everywhere' }],
    [[], { CRAFT_BUILD_FOR: 'all' }],
  ])('%j %j chooses one', async (args, env) => {
    const project = await write();
    const ran = await user.craft(project, ['pack', ...args], { env });
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await project.made()).toEqual(['sample_1.0_everywhere.tar.gz']);
  });

  it('that is not there, or cannot be built here', async () => {
    const project = await write();
    const unknown = await user.craft(project, ['pack', '--enable-fetch-service', '--platform', 'there']);
    expect(unknown).toMatchObject({
      code: 1,
      stdout: '',
      stderr:
        'craft: the project has no platform `there` [CRAFT_PLAN_EMPTY]\n  → its platforms are: here, everywhere\n',
    });
    const foreign = arch === 'riscv64' ? 's390x' : 'riscv64';
    await project.write({ 'craft.yaml': craftYaml({ app: script('true') }, { platforms: { [foreign]: null } }) });
    const cannot = await user.craft(project, ['pack']);
    expect(cannot).toMatchObject({ code: 1, stdout: '' });
    expect(cannot.stderr).toContain(
      `craft: nothing to build on ${arch} [CRAFT_PLAN_EMPTY]\n  ${foreign}: build-on ${foreign}`,
    );
    expect(await project.made()).toEqual([]);
  });
});

describe('a snap', () => {
  it('is packed with its metadata, the same bytes each time', async () => {
    const yaml = craftYaml(
      {
        app: scene.part(
          `${get('LISTED')}\nmkdir "$CRAFT_PART_INSTALL/bin"\ninstall -m 755 /dev/null "$CRAFT_PART_INSTALL/bin/app"`,
        ),
      },
      { type: 'snap', base: 'core24', apps: { sample: { command: 'bin/app', plugs: ['network'] } } },
    );
    const project = await user.project({ 'craft.yaml': yaml });
    const ran = await user.craft(project, ['pack', '--enable-fetch-service']);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await project.made()).toEqual(['sample_1.0_here.snap', 'sample_1.0_here.snap.json']);
    const listing = await run('unsquashfs', ['-l', project.at('sample_1.0_here.snap')]);
    expect(listing.stdout).toContain('squashfs-root/meta/snap.yaml');
    expect(listing.stdout).toContain('squashfs-root/listed.txt');
    const metadata = await run('unsquashfs', ['-cat', project.at('sample_1.0_here.snap'), 'meta/snap.yaml']);
    expect(metadata.stdout).toContain('name: sample\n');
    expect(metadata.stdout).toContain('command: bin/app\n');
    const first = await project.sha256('sample_1.0_here.snap');
    expect((await project.report('sample_1.0_here.snap.json'))['component-id']?.hashes.sha256).toBe(first);
    await user.craft(project, ['clean']);
    expect((await user.craft(project, ['pack', '--enable-fetch-service', '--output', 'again'])).code).toBe(0);
    expect(await project.sha256('again/sample_1.0_here.snap')).toBe(first);
  });
});

describe('the steps', () => {
  it('run once, again where something changed, and pull, build, stage, prime stop where they should', async () => {
    const parts = (text: string) =>
      craftYaml({
        lib: { plugin: 'dump', source: 'src' },
        app: script(`cp "$CRAFT_STAGE/a" "$CRAFT_PART_INSTALL/copy"; ${text}`, { after: ['lib'] }),
      });
    const project = await user.project({ 'craft.yaml': parts('true'), 'src/a': 'one\n' });
    const told: string[] = [];
    for (const command of ['pull', 'build', 'stage', 'prime']) {
      const ran = await user.craft(project, [command]);
      expect(ran, ran.stderr).toMatchObject({ code: 0, stdout: '' });
      told.push(...ran.stderr.split('\n').filter((line) => line !== '' && !line.includes('skip')));
    }
    expect(told).toEqual([
      ...['pull  lib', 'pull  app', 'build lib', 'stage lib', 'build app'],
      ...['stage app', 'prime lib', 'prime app'],
    ]);
    const second = await user.craft(project, ['pack']);
    expect(second.stderr.split('\n').filter((line) => line !== '' && !line.endsWith('skip (done before)'))).toEqual([
      'packing',
    ]);
    const before = await project.sha256(artifact);

    await project.write({ 'src/a': 'two\n' });
    const third = await user.craft(project, ['pack']);
    expect(third.stderr).toContain('pull  lib again (source or settings changed)\n');
    expect(third.stderr).toContain('build app again (stage of lib ran again)\n');
    expect(third.stderr).toContain('pull  app skip (done before)\n');
    expect(await project.read('prime/copy')).toBe('two\n');
    expect(await project.sha256(artifact)).not.toBe(before);

    await project.write({ 'craft.yaml': parts('touch "$CRAFT_PART_INSTALL/more"') });
    const fourth = await user.craft(project, ['build', 'app']);
    expect(fourth.stderr).toContain('build app again (settings changed)\n');
    expect(fourth.stderr).toContain('build lib skip (done before)\n');
  });

  it('work in a directory with blanks, quotes and other letters', async () => {
    const project = await scene.project(user, `${get('LISTED')}\npwd > "$CRAFT_PART_INSTALL/pwd"`);
    const place = user.at("a 'project' für $HOME");
    await cp(project.dir, place, { recursive: true });
    const ran = await user.craft({ dir: place }, ['pack', '--enable-fetch-service']);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect((await readdir(place)).sort()).toEqual(['.craft', 'craft.yaml', artifact, `${artifact}.json`]);
    const ordinary = await user.craft({ dir: place }, ['build', '--verbose'], {
      env: { CURL_CA_BUNDLE: scene.caFile },
    });
    expect(ordinary, ordinary.stderr).toMatchObject({ code: 0 });
  });

  it('of some parts only, and parts that are not there', async () => {
    const project = await user.project({ 'craft.yaml': craftYaml({ one: script('true'), two: script('true') }) });
    const ran = await user.craft(project, ['build', 'two']);
    expect(ran.stderr).toBe('pull  two\nbuild two\n');
    const wrong = await user.craft(project, ['build', 'three']);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toMatch(
      /^craft: the project has no part `three` \[CRAFT_PART_UNKNOWN\]\n {2}→ its parts are: one, two\n$/,
    );
  });

  it('craft clean forgets everything, or a part', async () => {
    const project = await scene.project(user, get('LISTED'), {
      parts: { one: script('touch "$CRAFT_PART_INSTALL/one"'), two: script('touch "$CRAFT_PART_INSTALL/two"') },
    });
    expect((await user.craft(project, ['pack'])).code).toBe(0);
    expect((await user.craft(project, ['pack', '--enable-fetch-service'])).code).toBe(0);
    const part = await user.craft(project, ['clean', 'one']);
    expect(part).toMatchObject({ code: 0, stdout: 'Cleaned one\n', stderr: '' });
    expect(await project.made('stage')).toEqual(['two']);
    const again = await user.craft(project, ['prime']);
    expect(again.stderr).toContain('build one\n');
    expect(again.stderr).toContain('build two skip (done before)\n');
    const unknown = await user.craft(project, ['clean', 'three']);
    expect(unknown.stderr).toContain('CRAFT_PART_UNKNOWN');
    expect(await user.craft(project, ['clean'])).toMatchObject({ code: 0, stdout: 'Cleaned\n', stderr: '' });
    expect(await project.made()).toEqual([artifact, `${artifact}.json`]);
    expect((await run('ls', ['-A', project.dir])).stdout).not.toContain('.craft');
  });
});

describe('what is wrong with a project', () => {
  const invalid: [string, string | object, string, string][] = [
    [
      'a misspelt key',
      'name: sample\nverison: "1"\n',
      'CRAFT_PROJECT_INVALID',
      'craft.yaml:2:1: unknown key `verison`; did you mean `version`?',
    ],
    ['broken YAML', 'name: [sample\n', 'CRAFT_PROJECT_INVALID', 'craft.yaml:2:1: '],
    ['a list instead of a map', '- name\n', 'CRAFT_PROJECT_INVALID', 'craft.yaml:1:1: '],
    [
      'a misspelt plugin',
      'name: sample\nversion: "1"\nplatforms: {amd64: }\nparts:\n  app:\n    plugin: mkae\n',
      'CRAFT_PROJECT_INVALID',
      'craft.yaml:6:13: ',
    ],
    [
      'a key of the family that is not supported',
      'name: sample\nversion: "1"\nplatforms: {amd64: }\nparts:\n  app:\n    plugin: nil\n    stage-snaps: [x]\n',
      'CRAFT_PROJECT_INVALID',
      'craft.yaml:7:5: `stage-snaps` cannot be used here: snaps cannot be staged',
    ],
    [
      'a cycle',
      craftYaml({ one: script('true', { after: ['two'] }), two: script('true', { after: ['one'] }) }),
      'CRAFT_PART_CYCLE',
      'one',
    ],
    [
      'a part after one that is not there',
      craftYaml({ one: script('true', { after: ['two'] }) }),
      'CRAFT_PROJECT_INVALID',
      'there is no part `two`',
    ],
    [
      'a local source that is missing',
      craftYaml({ app: { plugin: 'dump', source: 'nowhere' } }),
      'CRAFT_SOURCE_MISSING',
      'nowhere',
    ],
    [
      'an archive that is missing',
      craftYaml({ app: { plugin: 'dump', source: 'a.tar.gz' } }),
      'CRAFT_SOURCE_MISSING',
      'a.tar.gz',
    ],
    [
      'build-packages that are missing',
      craftYaml({ app: script('true', { 'build-packages': ['no-such-package'] }) }),
      'CRAFT_BUILD_PACKAGE_MISSING',
      'apt-get install no-such-package',
    ],
  ];
  it.each(invalid)('%s', async (_name, yaml, code, text) => {
    const project = await user.project({ 'craft.yaml': yaml });
    const ran = await user.craft(project, ['pack']);
    expect(ran, ran.stderr).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain(`[${code}]`);
    expect(ran.stderr).toContain(text);
    expect((await project.made()).filter((name) => name.startsWith('sample_'))).toEqual([]);
  });

  it('no project at all', async () => {
    const project = await user.project({ 'other.yaml': '' });
    for (const command of ['pack', 'pull', 'clean']) {
      const ran = await user.craft(project, [command]);
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toMatch(/^craft: .*craft\.yaml.* \[CRAFT_PROJECT_MISSING\]\n {2}→ /);
    }
  });

  it('a checksum that does not match, and a URL that is not there', async () => {
    const source = { plugin: 'dump', source: scene.listed, 'source-type': 'file' };
    const wrong = await user.project({
      'craft.yaml': craftYaml({ app: { ...source, 'source-checksum': `sha256/${'0'.repeat(64)}` } }),
    });
    const ran = await user.craft(wrong, ['pack', '--enable-fetch-service']);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(
      /craft: .*\/listed\.txt has another checksum than source-checksum says \[CRAFT_SOURCE_CHECKSUM\]\n {2}wanted sha256:0{64}\n {2}found {2}sha256:[0-9a-f]{64}\n {2}→ /,
    );
    expect(await wrong.made()).toEqual(['sample_1.0_here.json']);
    const missing = await user.project({
      'craft.yaml': craftYaml({ app: { ...source, source: `${scene.upstream.url}/missing.txt` } }),
      'inspectors.yaml': { generic: { files: [{ url: `${scene.upstream.url}/missing.txt`, sha256: '0'.repeat(64) }] } },
    });
    const gone = await user.craft(missing, ['pack', '--enable-fetch-service']);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain('CRAFT_SOURCE_MISSING');
    expect((await missing.report('sample_1.0_here.json')).responses).toMatchObject([{ 'status-code': 404 }]);
  });

  it('an inspectors.yaml of the project that is wrong: line and column, and no session', async () => {
    const project = await scene.project(user, get('LISTED'));
    await project.write({ 'inspectors.yaml': 'git:\n  url: []\n' });
    const ran = await user.craft(project, ['pack', '--enable-fetch-service']);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('inspectors.yaml:2:3: ');
    expect(ran.stderr).toContain('[CRAFT_CONFIG_INVALID]');
    expect(await project.made()).toEqual([]);
  });

  it('rights that are missing', async () => {
    // Root may read everything, so there the folder is a file.
    const project = await scene.project(user, 'true');
    if (process.getuid?.() === 0) await writeFile(project.at('.craft'), '');
    else await chmod(project.dir, 0o500);
    const ran = await user.craft(project, ['pack']);
    if (process.getuid?.() !== 0) await chmod(project.dir, 0o700);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^craft: .*(EEXIST|ENOTDIR|EACCES)/);
    expect(ran.stderr).not.toContain('CRAFT_INTERNAL');
  });
});
