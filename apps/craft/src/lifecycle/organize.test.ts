import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { walkTree } from '../files/walk-tree.js';
import { organize } from './organize.js';

let dir: string;
let install: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'craft-organize-'));
  install = join(dir, 'install');
  for (const path of ['bin/a', 'bin/b', 'doc/x/readme', 'doc/y', 'top']) {
    await mkdir(dirname(join(install, path)), { recursive: true });
    await writeFile(join(install, path), path);
  }
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const files = async () =>
  (await walkTree(install)).filter((entry) => entry.kind !== 'directory').map((entry) => entry.path);

describe('organize', () => {
  it.each([
    ['a file', { top: 'etc/conf' }, ['bin/a', 'bin/b', 'doc/x/readme', 'doc/y', 'etc/conf']],
    ['a file into a directory', { top: 'etc/' }, ['bin/a', 'bin/b', 'doc/x/readme', 'doc/y', 'etc/top']],
    ['a directory', { doc: 'usr/share/doc' }, ['bin/a', 'bin/b', 'top', 'usr/share/doc/x/readme', 'usr/share/doc/y']],
    ['a directory into one that exists', { doc: 'bin' }, ['bin/a', 'bin/b', 'bin/x/readme', 'bin/y', 'top']],
    ['a glob', { 'bin/*': 'usr/bin' }, ['doc/x/readme', 'doc/y', 'top', 'usr/bin/a', 'usr/bin/b']],
    ['a glob that takes a directory whole', { 'doc/*': 'd' }, ['bin/a', 'bin/b', 'd/x/readme', 'd/y', 'top']],
    ['nothing', { absent: 'x', 'no*': 'y' }, ['bin/a', 'bin/b', 'doc/x/readme', 'doc/y', 'top']],
  ])('moves %s', async (_name, rules, wanted) => {
    await organize(install, rules, 'app');
    expect(await files()).toEqual(wanted);
  });

  it('takes the same file twice and refuses another one', async () => {
    await writeFile(join(install, 'bin/b'), 'bin/a');
    await organize(install, { 'bin/a': 'bin/b' }, 'app');
    await expect(organize(install, { top: 'bin/b' }, 'app')).rejects.toMatchObject({ code: 'CRAFT_ORGANIZE_FAILED' });
  });

  it('refuses to move a directory into itself', async () => {
    await expect(organize(install, { doc: 'doc/inner' }, 'app')).rejects.toMatchObject({
      code: 'CRAFT_ORGANIZE_FAILED',
    });
  });

  it('reaches nothing through a link that the build left, neither from nor to', async () => {
    await mkdir(join(dir, 'outside'));
    await writeFile(join(dir, 'outside/victim'), 'safe');
    await symlink('../outside', join(install, 'link'));
    await organize(install, { 'link/victim': 'stolen' }, 'app');
    await expect(organize(install, { top: 'link/victim' }, 'app')).rejects.toMatchObject({
      code: 'CRAFT_ORGANIZE_FAILED',
    });
    expect(await readFile(join(dir, 'outside/victim'), 'utf8')).toBe('safe');
    expect(await files()).not.toContain('stolen');
  });
});
