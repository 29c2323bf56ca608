import { execFileSync } from 'node:child_process';
import { chmod, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBuildTools } from '../src/cache/build-tools.js';
import { explainKey } from '../src/cache/explain-key.js';
import type { KeyDocument } from '../src/cache/key-document.js';
import { partDocument } from '../src/cache/part-document.js';
import { fixedIdentity, pulledIdentity } from '../src/cache/source-identity.js';
import { partContext } from '../src/lifecycle/context.js';
import { runLifecycle } from '../src/lifecycle/run-lifecycle.js';
import type { StepState } from '../src/lifecycle/state.js';
import { createFixture, type Fixture } from './build-fixture.js';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.remove());

const dependencyKeys = new Map([['lib', 'a'.repeat(64)]]);

async function documentOf(yaml: string, part = 'app'): Promise<KeyDocument> {
  const context = fixture.context(yaml);
  const own = partContext(context, part);
  const identity = await fixedIdentity(own);
  if (!identity) throw new Error('the source is not fixed');
  return partDocument(own, { identity, dependencyKeys, tools: createBuildTools(context) });
}

async function differences(before: KeyDocument, after: KeyDocument): Promise<string[]> {
  return explainKey(before, after).map(({ field }) => field);
}

const local = (more = '') => `parts:\n  app:\n    plugin: dump\n    source: src\n${more}`;

describe('the document of a part with a local source', () => {
  beforeEach(() => fixture.files({ 'src/a.txt': 'a\n', 'src/run.sh*': 'true\n' }));

  it('is the same for the same files, whatever their times', async () => {
    const before = await documentOf(local());
    await utimes(join(fixture.dir, 'src/a.txt'), 1, 1);
    expect(await documentOf(local())).toEqual(before);
  });

  it.each([
    ['a byte', () => writeFile(join(fixture.dir, 'src/a.txt'), 'b\n')],
    ['a name', () => fixture.files({ 'src/b.txt': '' })],
    ['a mode', () => chmod(join(fixture.dir, 'src/run.sh'), 0o644)],
    ['a file less', () => rm(join(fixture.dir, 'src/run.sh'))],
  ])('is another one with %s changed', async (_, change) => {
    const before = await documentOf(local());
    await change();
    expect(await differences(before, await documentOf(local()))).toEqual(['source.tree']);
  });

  it.each([
    ['organize', '    organize: {a.txt: b.txt}\n', 'part.definition.organize'],
    ['a script', '    override-build: "true"\n', 'part.definition.override-build'],
    ['a variable', '    build-environment: [{A: b}]\n', 'part.definition.build-environment'],
    ['a directory of the source', '    source-subdir: sub\n', 'part.definition.source-subdir'],
  ])('names %s', async (_, more, field) => {
    expect(await differences(await documentOf(local()), await documentOf(local(more)))).toEqual([field]);
  });

  it('names the tools of the plugin and installed packages by their versions', async () => {
    await fixture.files({ 'src/Makefile': 'all:\n' });
    const { environment, 'build-packages': packages } = await documentOf(
      'parts:\n  app:\n    plugin: make\n    source: src\n    build-packages: [make, waybill-absent]\n',
    );
    expect(environment.tools).toMatchObject({ make: expect.stringMatching(/make.*\d/i) });
    expect(packages).toEqual({ make: expect.stringMatching(/^\d/) });
  });

  it('does not name what later steps do', async () => {
    const more =
      '    stage: [a.txt]\n    prime: ["-x"]\n    override-prime: craftctl default\n    disable-parallel: true\n';
    expect(await documentOf(local(more))).toEqual(await documentOf(local()));
  });

  it('tells rules apart that are applied in another order', async () => {
    const one = await documentOf(local('    organize: {a.txt: b.txt, b.txt: c.txt}\n'));
    const two = await documentOf(local('    organize: {b.txt: c.txt, a.txt: b.txt}\n'));
    expect(await differences(one, two)).toEqual(['part.definition.organize']);
  });

  it('names the commit and the tags of a clone', async () => {
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { cwd: join(fixture.dir, 'src') });
    git('init', '-q');
    git('add', '-A');
    git('commit', '-qm', 'one');
    const before = await documentOf(local());
    git('commit', '-qm', 'two', '--allow-empty');
    const after = await documentOf(local());
    expect(await differences(before, after)).toEqual(['source.commit']);
    git('tag', 'v1');
    expect(await differences(after, await documentOf(local()))).toEqual(['source.tags']);
    git('pack-refs', '--all');
    expect(await differences(after, await documentOf(local()))).toEqual(['source.tags']);
  });

  it('is that of the copy once it is pulled', async () => {
    const context = fixture.context(local());
    const own = partContext(context, 'app');
    const fixed = await fixedIdentity(own);
    await runLifecycle(context, 'pull');
    const pulled = (await context.states.read('app', 'pull')) as StepState;
    expect(await pulledIdentity(own, pulled)).toEqual(fixed);
    await writeFile(join(own.paths.src, 'a.txt'), 'changed meanwhile\n');
    expect(await pulledIdentity(own, pulled)).not.toEqual(fixed);
  });
});

describe('the document of a part with dependencies', () => {
  const parts = (lib: string) => `${local('    after: [lib]\n')}  lib:\n    plugin: nil\n${lib}`;
  beforeEach(() => fixture.files({ 'src/a.txt': 'a\n' }));

  it('has their keys and what they stage', async () => {
    const { dependencies } = await documentOf(parts('    stage: [bin]\n    override-stage: craftctl default\n'));
    expect(dependencies).toEqual([
      { name: 'lib', key: 'a'.repeat(64), stage: ['bin'], 'override-stage': 'craftctl default' },
    ]);
    expect(await differences(await documentOf(parts('')), await documentOf(parts('    stage: [bin]\n')))).toEqual([
      'dependencies.lib.stage',
    ]);
  });
});

describe('what identifies a source without pulling it', () => {
  const of = async (keys: string) =>
    (await fixedIdentity(partContext(fixture.context(`parts:\n  app:\n    plugin: dump\n${keys}`), 'app')))?.source;
  const url = '    source: https://files.example/a-1.tar.gz\n';
  const git = '    source: https://git.example/a.git\n';

  it.each([
    ['a URL', url],
    ['a URL with a digest that can be forged', `${url}    source-checksum: md5/${'0'.repeat(32)}\n`],
    ['a branch', `${git}    source-branch: main\n`],
    ['a shortened commit', `${git}    source-commit: abcdef1\n`],
    ['a script that pulls', `${url}    source-checksum: sha256/${'0'.repeat(64)}\n    override-pull: "true"\n`],
    ['stage packages', `${url}    source-checksum: sha256/${'0'.repeat(64)}\n    stage-packages: [hello]\n`],
  ])('is nothing for %s', async (_, keys) => {
    expect(await of(keys)).toBeUndefined();
  });

  it('is the pinned digest, wherever it lies', async () => {
    const digest = '0'.repeat(64);
    const one = await of(`${url}    source-checksum: sha256/${digest}\n`);
    expect(one).toEqual({ type: 'tar', digest: `sha256:${digest}` });
    expect(await of(`    source: https://mirror.example/b.tar.gz\n    source-checksum: sha256:${digest}\n`)).toEqual(
      one,
    );
  });

  it('is the commit and how much history comes with it', async () => {
    const commit = 'ab'.repeat(20);
    expect(await of(`${git}    source-commit: ${commit.toUpperCase()}\n`)).toEqual({
      type: 'git',
      commit,
      depth: 'all',
    });
    expect(await of(`${git}    source-commit: ${commit}\n    source-depth: 3\n`)).toMatchObject({ depth: '3' });
  });

  it('is the digest of a file of the project, and its name when it is not unpacked', async () => {
    await fixture.files({ 'one.bin': 'x' });
    const source = await of('    source: one.bin\n    source-type: file\n');
    expect(source).toEqual({ type: 'file', name: 'one.bin', digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) });
  });
});
