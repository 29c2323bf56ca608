import { mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyTree } from './copy-tree.js';
import { removeInside } from './remove-inside.js';
import { createTreeWriter } from './tree-writer.js';
import { walkTree } from './walk-tree.js';

let dir: string;
let root: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'craft-tree-'));
  root = join(dir, 'root');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function* bytes(text: string) {
  yield Buffer.from(text);
}

describe('createTreeWriter', () => {
  it('writes files, directories and links with their modes', async () => {
    const writer = createTreeWriter(root);
    await writer.directory('bin', 0o555);
    await writer.file('bin/tool', 0o755, bytes('#!'));
    await writer.symlink('bin/alias', 'tool');
    await writer.hardlink('bin/second', 'bin/tool');
    await writer.finish();
    expect((await stat(join(root, 'bin'))).mode & 0o777).toBe(0o555);
    expect((await stat(join(root, 'bin/tool'))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(root, 'bin/alias'))).toBe('tool');
    expect(await readFile(join(root, 'bin/second'), 'utf8')).toBe('#!');
  });

  it.each(['../out', '/abs', 'a/../../out', '', 'a\0b'])('refuses the path %j', async (path) => {
    await expect(createTreeWriter(root).file(path, 0o644, bytes('x'))).rejects.toMatchObject({
      code: 'CRAFT_TREE_UNSAFE',
    });
  });

  it('does not write through a symbolic link that it made itself', async () => {
    const writer = createTreeWriter(root);
    await writer.symlink('up', '..');
    await expect(writer.file('up/evil', 0o644, bytes('x'))).rejects.toMatchObject({ code: 'CRAFT_TREE_UNSAFE' });
    await expect(stat(join(dir, 'evil'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('does not write through a symbolic link that was there before', async () => {
    await mkdir(root);
    await symlink(dir, join(root, 'lib'));
    const writer = createTreeWriter(root, { replace: true });
    await expect(writer.directory('lib/sub', 0o755)).rejects.toMatchObject({ code: 'CRAFT_TREE_UNSAFE' });
  });

  it('does not open a link at the place of a file', async () => {
    await mkdir(root);
    await writeFile(join(dir, 'victim'), 'safe');
    await symlink(join(dir, 'victim'), join(root, 'file'));
    await expect(createTreeWriter(root).file('file', 0o644, bytes('x'))).rejects.toMatchObject({ code: 'EEXIST' });
    await createTreeWriter(root, { replace: true }).file('file', 0o644, bytes('new'));
    expect(await readFile(join(dir, 'victim'), 'utf8')).toBe('safe');
    expect(await readFile(join(root, 'file'), 'utf8')).toBe('new');
  });

  it('links only to files of the tree', async () => {
    const writer = createTreeWriter(root);
    await writer.symlink('out', '/etc/passwd');
    await expect(writer.hardlink('second', 'out')).rejects.toMatchObject({ code: 'CRAFT_TREE_UNSAFE' });
    await expect(writer.hardlink('second', '../victim')).rejects.toMatchObject({ code: 'CRAFT_TREE_UNSAFE' });
  });
});

describe('copyTree', () => {
  it('copies links as links, keeps modes and times, and leaves out what is ignored', async () => {
    await mkdir(join(root, 'a'), { recursive: true });
    await writeFile(join(root, 'a/run'), 'x', { mode: 0o755 });
    await writeFile(join(root, 'skip'), 'x');
    await symlink('/etc/passwd', join(root, 'a/link'));
    await copyTree(root, join(dir, 'copy'), { ignore: (path) => path === 'skip' });
    const [before, after] = [await walkTree(root), await walkTree(join(dir, 'copy'))];
    expect(after.map((entry) => [entry.path, entry.kind, entry.mode, entry.target])).toEqual(
      before
        .filter((entry) => entry.path !== 'skip')
        .map((entry) => [entry.path, entry.kind, entry.mode, entry.target]),
    );
    const time = (entries: typeof before) =>
      Number(entries.find((entry) => entry.path === 'a/run')?.mtimeNs ?? 0n) / 1e9;
    expect(time(after)).toBeCloseTo(time(before), 3);
  });
});

describe('removeInside', () => {
  it('leaves alone what lies behind a link', async () => {
    await mkdir(root);
    await writeFile(join(dir, 'victim'), 'safe');
    await symlink('..', join(root, 'up'));
    await removeInside(root, 'up/victim');
    expect(await readFile(join(dir, 'victim'), 'utf8')).toBe('safe');
    await expect(removeInside(root, '../victim')).rejects.toMatchObject({ code: 'CRAFT_TREE_UNSAFE' });
  });
});

describe('walkTree', () => {
  it('sorts by bytes and knows nothing of an absent root', async () => {
    for (const name of ['b', 'a', 'Z', 'é', 'a.b']) {
      await mkdir(root, { recursive: true });
      await writeFile(join(root, name), '');
    }
    expect((await walkTree(root)).map((entry) => entry.path)).toEqual(['Z', 'a', 'a.b', 'b', 'é']);
    expect(await walkTree(join(dir, 'absent'))).toEqual([]);
  });
});
