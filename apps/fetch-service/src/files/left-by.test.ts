import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removeLeftBy } from './left-by.js';
import { writeAtomically } from './write-atomically.js';

let directory: string;
const gone = spawnSync('true').pid;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-left-'));
});
afterEach(() => rm(directory, { recursive: true }));

const put = (...names: string[]) => Promise.all(names.map((name) => writeFile(join(directory, name), '')));

describe('what killed processes left', () => {
  it('goes; what belongs to one that runs, or to nobody, stays', async () => {
    const others = ['file', 'file.new', 'file.x.new', `file.${process.pid}-aa.new`, 'file.-1.new', 'file.99x.new'];
    await put(...others, `file.${gone}-aa.new`, `file.${gone}.new`, `other.${gone}-aa.new`);
    await removeLeftBy(directory, { prefix: 'file.', suffix: '.new' });
    expect((await readdir(directory)).sort()).toEqual([...others, `other.${gone}-aa.new`].sort());
  });

  it("is not a folder, nor somebody else's by its name only", async () => {
    await mkdir(join(directory, `.f${gone}`));
    await put(`.f${gone}-not-ours`);
    await removeLeftBy(directory, { prefix: '.f' });
    expect((await readdir(directory)).sort()).toEqual([`.f${gone}`, `.f${gone}-not-ours`]);
  });

  it('nothing is there, or not even the directory', async () => {
    await removeLeftBy(join(directory, 'missing'), { prefix: '' });
  });

  it('goes with the next writing of the file that it was to become', async () => {
    await put(`runtime.json.${gone}-0123456789ab.new`);
    await writeAtomically(join(directory, 'runtime.json'), '{}', 0o600);
    expect(await readdir(directory)).toEqual(['runtime.json']);
  });
});
