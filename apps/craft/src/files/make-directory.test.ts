import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDirectory } from './make-directory.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'craft-directory-'));
  await writeFile(join(dir, 'file'), '');
  await symlink(join(dir, 'nowhere'), join(dir, 'dangling'));
  await symlink(dir, join(dir, 'link'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it.each(['new', 'a/b/c', 'link', 'link/below', '.'])('makes %s, also when two do it at once', async (name) => {
  const path = join(dir, name);
  await Promise.all([makeDirectory(path), makeDirectory(path)]);
  expect((await stat(path)).isDirectory()).toBe(true);
});

it.each([
  ['file', 'EEXIST'],
  ['file/below', 'ENOTDIR'],
  ['dangling', 'ENOENT'],
])('cannot make %s', async (name, code) => {
  await expect(makeDirectory(join(dir, name))).rejects.toMatchObject({ code });
});

it('gives up where nothing can be made', async () => {
  await expect(makeDirectory('/proc/craft/below')).rejects.toMatchObject({
    code: expect.stringMatching(/ENOENT|EACCES|EPERM|EROFS/),
  });
});
