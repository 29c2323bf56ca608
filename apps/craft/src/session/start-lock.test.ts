import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLock } from './start-lock.js';

/** Larger than any process id that Linux gives. */
const deadPid = 2 ** 22 + 1;

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'craft-lock-'));
  path = join(dir, 'lock');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const held = () => withLock(path, 'works here', 0, () => readFile(path, 'utf8'));

describe('withLock', () => {
  it('holds the lock while it works and gives it back, also when the work fails', async () => {
    expect(await held()).toBe(`${process.pid}\n`);
    await expect(withLock(path, 'works here', 0, () => Promise.reject(new Error('oops')))).rejects.toThrow('oops');
    expect(existsSync(path)).toBe(false);
  });

  it('names who holds it', async () => {
    await writeFile(path, `${process.pid}\n`);
    await expect(held()).rejects.toMatchObject({
      code: 'CRAFT_WORK_BUSY',
      message: `another craft run (process ${process.pid}) works here`,
    });
    expect(await readFile(path, 'utf8')).toBe(`${process.pid}\n`);
  });

  it('takes over what a killed run left, at once', async () => {
    await writeFile(path, `${deadPid}\n`);
    expect(await held()).toBe(`${process.pid}\n`);
    await writeFile(path, '');
    await expect(held()).rejects.toMatchObject({ code: 'CRAFT_WORK_BUSY' });
    await utimes(path, 1, 1);
    expect(await held()).toBe(`${process.pid}\n`);
    expect(await readdir(dir)).toEqual([]);
  });

  it('waits for others', async () => {
    await writeFile(path, `${process.pid}\n`);
    setTimeout(() => void rm(path), 150);
    expect(await withLock(path, 'works here', 5_000, async () => 'done')).toBe('done');
  });
});
