import { rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runLifecycle } from '../src/lifecycle/run-lifecycle.js';
import { createFixture, type Fixture } from './build-fixture.js';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.remove());

const dumpAndMake = `parts:
  files: {plugin: dump, source: assets}
  tool:
    plugin: make
    source: tool
    make-parameters: [GREETING=hello world]
`;

async function writeSources(): Promise<void> {
  await fixture.files({
    'assets/share/a.txt': 'a',
    'assets/share/b.txt': 'b',
    'tool/Makefile':
      'all:\n\techo "$(GREETING)" > out\ninstall:\n\tmkdir -p $(DESTDIR)/bin\n\tcp out $(DESTDIR)/bin/tool\n',
  });
}

describe('steps', () => {
  it('bring a project from its sources to prime', async () => {
    await writeSources();
    await runLifecycle(fixture.context(dumpAndMake), 'prime');
    expect(await fixture.tree('prime')).toEqual(['bin/tool', 'share/a.txt', 'share/b.txt']);
    expect(await fixture.read('prime/bin/tool')).toBe('hello world\n');
  });

  it('run again only where something changed', async () => {
    await writeSources();
    await runLifecycle(fixture.context(dumpAndMake), 'prime');
    const second = fixture.context(dumpAndMake);
    await runLifecycle(second, 'prime');
    expect(second.steps.every((step) => step.startsWith('skip'))).toBe(true);
    expect(second.steps).toHaveLength(8);

    await fixture.files({ 'assets/share/b.txt': 'changed' });
    const third = fixture.context(dumpAndMake);
    await runLifecycle(third, 'prime');
    expect(third.steps.filter((step) => !step.startsWith('skip'))).toEqual([
      'rerun pull files',
      'run build files',
      'run stage files',
      'run prime files',
    ]);
    expect(await fixture.read('prime/share/b.txt')).toBe('changed');
  });

  it('take back what a part no longer has', async () => {
    await writeSources();
    await runLifecycle(fixture.context(dumpAndMake), 'prime');
    await rm(join(fixture.dir, 'assets/share/b.txt'));
    await runLifecycle(fixture.context(dumpAndMake), 'prime');
    expect(await fixture.tree('prime')).toEqual(['bin/tool', 'share/a.txt']);
    const withoutTool = fixture.context('parts: {files: {plugin: dump, source: assets}}');
    await runLifecycle(withoutTool, 'prime');
    expect(await fixture.tree('prime')).toEqual(['share/a.txt']);
    expect(await fixture.tree('stage')).toEqual(['share/a.txt']);
  });

  it('notice a changed setting of one step and leave the earlier ones', async () => {
    await writeSources();
    await runLifecycle(fixture.context(dumpAndMake), 'prime');
    const filtered = fixture.context(dumpAndMake.replace('source: assets}', 'source: assets, prime: [-share/b.txt]}'));
    await runLifecycle(filtered, 'prime');
    expect(filtered.steps.filter((step) => !step.startsWith('skip'))).toEqual(['rerun prime files']);
    expect(await fixture.tree('prime')).toEqual(['bin/tool', 'share/a.txt']);
  });

  it('run again after their result was removed by hand', async () => {
    await writeSources();
    await runLifecycle(fixture.context(dumpAndMake), 'prime');
    await rm(join(fixture.dir, 'prime'), { recursive: true });
    await runLifecycle(fixture.context(dumpAndMake), 'prime');
    expect(await fixture.tree('prime')).toEqual(['bin/tool', 'share/a.txt', 'share/b.txt']);
  });

  it('bring only the named parts and what they come after', async () => {
    await fixture.files({ 'one/x': '1' });
    const yaml = `parts:
  app: {plugin: nil, after: [lib], override-build: 'cat "$CRAFT_STAGE/x" > "$CRAFT_PART_INSTALL/y"'}
  lib: {plugin: dump, source: one}
  other: {plugin: nil}
`;
    const context = fixture.context(yaml);
    await runLifecycle(context, 'build', ['app']);
    expect(context.steps).toEqual(['run pull app', 'run pull lib', 'run build lib', 'run stage lib', 'run build app']);
    expect(await fixture.read('parts/app/install/y')).toBe('1');
  });

  it('build again what comes after a part that changed', async () => {
    await fixture.files({ 'one/x': '1' });
    const yaml = `parts:
  app: {plugin: nil, after: [lib], override-build: 'cp "$CRAFT_STAGE/x" "$CRAFT_PART_INSTALL/y"'}
  lib: {plugin: dump, source: one}
`;
    await runLifecycle(fixture.context(yaml), 'prime');
    await fixture.files({ 'one/x': 'two' });
    await runLifecycle(fixture.context(yaml), 'prime');
    expect(await fixture.read('prime/y')).toBe('two');
  });

  it('refuse an unknown part', async () => {
    await expect(runLifecycle(fixture.context('parts: {a: {plugin: nil}}'), 'pull', ['b'])).rejects.toMatchObject({
      code: 'CRAFT_PART_UNKNOWN',
    });
  });

  it('copy a source of the project itself without what craft makes there', async () => {
    await fixture.files({
      'main.txt': 'x',
      'sample_1.0_amd64.tar.gz': 'old',
      'sample_1.0_amd64.tar.gz.json': '{}',
      'sub/stage/keep': 'k',
    });
    const yaml = 'parts: {all: {plugin: dump, source: ., prime: [-craft.yaml]}}';
    await runLifecycle(fixture.context(yaml), 'prime');
    await runLifecycle(fixture.context(yaml), 'prime');
    expect(await fixture.tree('prime')).toEqual(['main.txt', 'sub/stage/keep']);
  });
});

describe('override scripts', () => {
  it('run around the default, in order, with the variables of the step', async () => {
    await fixture.files({ 'src/file': 'x' });
    const yaml = `parts:
  app:
    plugin: dump
    source: src
    build-environment:
      - FLAVOUR: "sweet \\"and\\" $CRAFT_PART_NAME"
    override-pull: |
      test ! -e file
      craftctl default
      test -e file
      echo "$CRAFT_STEP_NAME $PWD" > pulled
    override-build: |
      craftctl default
      printf '%s' "$FLAVOUR" > "$CRAFT_PART_INSTALL/flavour"
    override-stage: |
      craftctl default
      test "$PWD" = "$CRAFT_STAGE" && touch staged-by-script
    override-prime: |
      craftctl default
      test "$PWD" = "$CRAFT_PRIME"
      echo "$CRAFT_ARCH_BUILD_FOR $CRAFT_PROJECT_NAME $CRAFT_PROJECT_VERSION $CRAFT_PARALLEL_BUILD_COUNT" > primed
`;
    await runLifecycle(fixture.context(yaml), 'prime');
    expect(await fixture.read('prime/pulled')).toBe(`PULL ${join(fixture.dir, 'parts/app/src')}\n`);
    expect(await fixture.read('prime/flavour')).toBe('sweet "and" app');
    expect(await fixture.read('prime/primed')).toBe('amd64 sample 1.0 2\n');
    expect(await fixture.tree('stage')).toContain('staged-by-script');
  });

  it('set the version, which a skipped step remembers', async () => {
    const yaml = `adopt-info: app
parts:
  app:
    plugin: nil
    override-pull: |
      craftctl set version=2.5
      test "$(craftctl get version)" = 2.5
`;
    const first = fixture.context(yaml);
    await runLifecycle(first, 'prime');
    expect(first.variables.get('version')).toBe('2.5');
    const second = fixture.context(yaml);
    await runLifecycle(second, 'prime');
    expect(second.steps.every((step) => step.startsWith('skip'))).toBe(true);
    expect(second.variables.get('version')).toBe('2.5');
  });

  it.each([
    ['a part that is not named by adopt-info', 'craftctl set version=2', 'adopt-info'],
    ['an unknown verb', 'craftctl frobnicate', 'craftctl default'],
    ['an unknown field', 'craftctl set colour=red', 'fields: version'],
  ])('fail for %s and say why', async (_name, script, hint) => {
    const yaml = `parts: {app: {plugin: nil, override-build: '${script}'}}`;
    await expect(runLifecycle(fixture.context(yaml), 'build')).rejects.toMatchObject({
      code: 'CRAFT_PART_FAILED',
      hint: expect.stringContaining(hint),
    });
  });

  it('refuse a version that is none', async () => {
    const yaml = `adopt-info: app\nparts: {app: {plugin: nil, override-build: 'craftctl set version="a b"'}}`;
    await expect(runLifecycle(fixture.context(yaml), 'build')).rejects.toMatchObject({
      message: expect.stringContaining('expected a version'),
    });
  });

  it('show what failed in the default, not only that the script ended', async () => {
    const yaml = `parts: {app: {plugin: dump, source: gone, override-pull: 'craftctl default'}}`;
    await expect(runLifecycle(fixture.context(yaml), 'pull')).rejects.toMatchObject({ code: 'CRAFT_SOURCE_MISSING' });
  });

  it('stop at the first command that fails and keep its output', async () => {
    const yaml = `parts: {app: {plugin: nil, override-build: "echo before; echo 'https://u:p@h.example/' >&2; false; touch $CRAFT_PART_INSTALL/no"}}`;
    await expect(runLifecycle(fixture.context(yaml), 'build')).rejects.toMatchObject({
      code: 'CRAFT_PART_FAILED',
      message: 'build of part app failed with exit code 1',
      details: ['before', 'https://[redacted]@h.example/'],
    });
    expect(await fixture.tree('parts/app/install')).toEqual([]);
  });

  it('work with craftctl called many times at once', async () => {
    const yaml = `adopt-info: app
parts:
  app:
    plugin: nil
    override-build: |
      for i in 1 2 3 4 5 6 7 8; do craftctl get version > "$CRAFT_PART_INSTALL/$i" & done
      wait
`;
    await runLifecycle(fixture.context(yaml), 'build');
    for (let i = 1; i <= 8; i++) expect(await fixture.read(`parts/app/install/${i}`)).toBe('1.0\n');
  });

  it('do not let a script make craft write elsewhere', async () => {
    await writeFile(join(fixture.dir, 'victim'), 'safe');
    const yaml = `parts:
  app:
    plugin: nil
    override-build: |
      ln -s "$CRAFT_PROJECT_DIR/victim" "$CRAFT_CTL_DIR/reply.77"
      : > "$CRAFT_CTL_DIR/request.77"
      echo 77 > "$CRAFT_CTL_DIR/control"
      craftctl get version > /dev/null
`;
    await runLifecycle(fixture.context(yaml), 'build');
    expect(await fixture.read('victim')).toBe('safe');
  });

  it('end with what they started when the run is cancelled', async () => {
    const controller = new AbortController();
    const context = fixture.context(`parts: {app: {plugin: nil, override-build: 'sleep 60'}}`, {
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(), 300);
    const started = Date.now();
    await expect(runLifecycle(context, 'build')).rejects.toThrow();
    expect(Date.now() - started).toBeLessThan(10_000);
  });
});

describe('several parts', () => {
  it('may bring the same file, but not different ones', async () => {
    await fixture.files({ 'a/x': 'same', 'a/dir/y': '1', 'b/x': 'same', 'b/dir/z': '2' });
    const yaml = 'parts: {a: {plugin: dump, source: a}, b: {plugin: dump, source: b}}';
    await runLifecycle(fixture.context(yaml), 'prime');
    expect(await fixture.tree('prime')).toEqual(['dir/y', 'dir/z', 'x']);
    await fixture.files({ 'b/x': 'different' });
    await expect(runLifecycle(fixture.context(yaml), 'prime')).rejects.toMatchObject({
      code: 'CRAFT_PART_COLLISION',
      message: 'part b and a want different files at the same place',
      details: ['  x (also from a)'],
    });
    const resolved = fixture.context(yaml.replace('source: b', 'source: b, stage: [-x]'));
    await runLifecycle(resolved, 'prime');
    expect(await fixture.read('prime/x')).toBe('same');
  });

  it('collide when one has a link where the other has a directory', async () => {
    await fixture.files({ 'b/lib/x': '1' });
    await fixture.files({ 'a/keep': '' });
    await symlink('/etc', join(fixture.dir, 'a/lib'));
    const yaml = 'parts: {a: {plugin: dump, source: a}, b: {plugin: dump, source: b}}';
    await expect(runLifecycle(fixture.context(yaml), 'stage')).rejects.toMatchObject({ code: 'CRAFT_PART_COLLISION' });
  });

  it('keep a shared file when one of them goes', async () => {
    await fixture.files({ 'a/x': 'same', 'b/x': 'same' });
    await runLifecycle(fixture.context('parts: {a: {plugin: dump, source: a}, b: {plugin: dump, source: b}}'), 'prime');
    await runLifecycle(fixture.context('parts: {a: {plugin: dump, source: a}}'), 'prime');
    expect(await fixture.tree('prime')).toEqual(['x']);
  });
});

describe('local sources', () => {
  it('are noticed by time when the size stays', async () => {
    await fixture.files({ 'src/a': '1' });
    await runLifecycle(fixture.context('parts: {a: {plugin: dump, source: src}}'), 'pull');
    await fixture.files({ 'src/a': '2' });
    await utimes(join(fixture.dir, 'src/a'), 1, 1);
    const again = fixture.context('parts: {a: {plugin: dump, source: src}}');
    await runLifecycle(again, 'pull');
    expect(again.steps).toEqual(['rerun pull a']);
  });

  it('build from a subdirectory', async () => {
    await fixture.files({ 'src/inner/f': '1', 'src/outer': '2' });
    await runLifecycle(fixture.context('parts: {a: {plugin: dump, source: src, source-subdir: inner}}'), 'prime');
    expect(await fixture.tree('prime')).toEqual(['f']);
  });
});
