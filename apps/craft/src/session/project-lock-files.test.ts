import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readProjectLockFiles } from './project-lock-files.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-lock-files-'));
  await writeFile(join(directory, 'go.sum'), 'mod.example/a v1.0.0 h1:x\n');
  await mkdir(join(directory, 'Cargo.lock'));
  await writeFile(join(directory, 'uv.lock'), 'x'.repeat((6 << 20) - 10));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('readProjectLockFiles', () => {
  it('reads what the project names, in its order', async () => {
    expect(await readProjectLockFiles(directory, ['go.sum'])).toEqual([
      { name: 'go.sum', content: 'mod.example/a v1.0.0 h1:x\n' },
    ]);
    expect(await readProjectLockFiles(directory, [])).toEqual([]);
  });

  it.each([
    ['a name that is none', ['notes.txt'], /notes\.txt is no lock file that is known/],
    ['a file that is not there', ['yarn.lock'], /cannot read yarn\.lock/],
    ['a directory', ['Cargo.lock'], /Cargo\.lock is no file/],
    ['more than the service takes', ['go.sum', 'uv.lock'], /with uv\.lock there are more than/],
  ])('refuses %s', async (_name, names, reason) => {
    await expect(readProjectLockFiles(directory, names)).rejects.toThrow(reason);
  });
});
