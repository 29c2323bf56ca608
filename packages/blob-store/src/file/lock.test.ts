import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from './lock.js';

describe('lockDirectory', () => {
  let dir: string;
  let path: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-lock-'));
    path = join(dir, 'lock');
  });

  afterEach(() => rm(dir, { recursive: true }));

  /** Changes what the lock file says of its holder. */
  async function rewrite(change: object): Promise<void> {
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...change }));
  }

  it('lets one holder in at a time and leaves nothing behind', async () => {
    const lock = await lockDirectory(path);
    await expect(lockDirectory(path)).rejects.toMatchObject({
      code: 'BLOB_LOCKED',
      message: expect.stringContaining(`process ${process.pid}`),
      hint: expect.any(String),
    });
    await lock.release();
    await lock.release();
    expect(await readdir(dir)).toEqual([]);
    await (await lockDirectory(path)).release();
  });

  it('lets exactly one of many racers win, also over a dead lock', async () => {
    const dead = await lockDirectory(path);
    await rewrite({ started: '1', nonce: 'dead' });
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(path)));
    const won = attempts.filter((attempt) => attempt.status === 'fulfilled');
    expect(won.length).toBe(1);
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'BLOB_LOCKED' });
    }
    await won[0]?.value.release();
    await dead.release();
    expect(await readdir(dir)).toEqual([]);
  });

  it('removes what processes left that were killed while they took it, and no lock that is on its way back', async () => {
    const held = await lockDirectory(path);
    const living = await readFile(path, 'utf8');
    await held.release();
    await writeFile(`${path}.claim-1`, '');
    await writeFile(`${path}.claim-2`, living);
    await writeFile(`${path}.dead`, JSON.stringify({ ...JSON.parse(living), started: '1' }));
    await writeFile(`${path}.elsewhere`, JSON.stringify({ ...JSON.parse(living), scope: 'another machine' }));
    await writeFile(`${path}.living`, living);
    const lock = await lockDirectory(path);
    expect((await readdir(dir)).sort()).toEqual(['lock', 'lock.elsewhere', 'lock.living']);
    await lock.release();
  });

  it('takes over from a process that was killed, and from one whose pid was given to another', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    await (await lockDirectory(path)).release();
    const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    const first = await lockDirectory(path);
    await rewrite({ pid: child.pid, started, nonce: 'child' });
    await expect(lockDirectory(path)).rejects.toMatchObject({ code: 'BLOB_LOCKED' });
    child.kill('SIGKILL');
    await once(child, 'exit');
    const second = await lockDirectory(path);
    await rewrite({ started: '12345', nonce: 'recycled' });
    const third = await lockDirectory(path);
    await Promise.all([first, second, third].map((lock) => lock.release()));
  });

  it.each(['', 'nonsense', 'null', '{"pid":"x"}'])('takes over a lock file that says %j', async (text) => {
    await writeFile(path, text);
    await (await lockDirectory(path)).release();
  });

  it('waits for signs of life from another machine', async () => {
    const beatMs = 40;
    const foreign = await lockDirectory(path, { beatMs: 60_000 });
    await rewrite({ scope: 'another machine', nonce: 'foreign' });
    const beating = setInterval(() => utimes(path, new Date(), new Date()).catch(() => undefined), beatMs / 2);
    await expect(lockDirectory(path, { beatMs })).rejects.toMatchObject({
      code: 'BLOB_LOCKED',
      message: expect.stringContaining('another machine'),
    });
    clearInterval(beating);
    const lock = await lockDirectory(path, { beatMs });
    await lock.release();
    await foreign.release();
  });

  it('notices that it was taken away', async () => {
    const lock = await lockDirectory(path, { beatMs: 20 });
    expect(lock.lost).toBe(false);
    await rewrite({ nonce: 'somebody else' });
    for (let waited = 0; !lock.lost && waited < 100; waited++) await sleep(20);
    expect(lock.lost).toBe(true);
    await lock.release();
    expect(await readdir(dir)).toEqual(['lock']);
  });

  it('says when the directory cannot be written', async () => {
    await expect(lockDirectory(join(dir, 'missing', 'lock'))).rejects.toMatchObject({ code: 'BLOB_STORAGE_FAILED' });
  });
});
