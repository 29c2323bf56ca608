import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { namesDirectory } from './place.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'craft-place-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const wanted = '/home/somebody/project';

describe('namesDirectory', () => {
  it.each([
    ['at the beginning', 0],
    ['across two pieces', (1 << 18) - 7],
    ['right behind a piece', 1 << 18],
    ['in a later piece', (1 << 18) * 2 + 5],
  ])('finds the directory in a file, %s', async (_, offset) => {
    await writeFile(join(root, 'file'), Buffer.concat([Buffer.alloc(offset, 1), Buffer.from(`${wanted}/bin`)]));
    expect(await namesDirectory(root, wanted)).toBe(true);
  });

  it('finds it in the target of a link', async () => {
    await symlink(`${wanted}/stage/x`, join(root, 'link'));
    expect(await namesDirectory(root, wanted)).toBe(true);
  });

  it('finds nothing where nothing is, pieces of it included', async () => {
    await writeFile(
      join(root, 'file'),
      Buffer.concat([Buffer.alloc((1 << 18) - 5, 1), Buffer.from('/home/somebody/proj')]),
    );
    await writeFile(join(root, 'empty'), '');
    expect(await namesDirectory(root, wanted)).toBe(false);
  });
});
