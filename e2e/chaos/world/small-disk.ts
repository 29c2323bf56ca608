import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../test/harness/run.js';
import { createTempDir } from '../../test/harness/temp-dir.js';
import type { Chance } from './chance.js';
import type { Damage } from './ground.js';

/** A file system that can be filled. */
export interface SmallDisk {
  /** A directory on it. */
  readonly path: string;
  /** Fills it up, but for some bytes or none. */
  strike(chance: Chance): Promise<Damage>;
  close(): Promise<void>;
}

/** Mounts a tmpfs; needs the right to do so. @throws when that is not to be had, which .ci/run counts as a failure */
export async function mountSmallDisk(size: string): Promise<SmallDisk> {
  const dir = await createTempDir();
  const disk = dir.at('disk');
  await mkdir(disk);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', disk]);
  if (mounted.code !== 0) {
    await dir.close();
    throw new Error(`no tmpfs can be mounted here: ${mounted.stderr.trim()}`);
  }
  const spool = join(disk, 'spool');
  await mkdir(spool, { mode: 0o700 });
  const filler = join(disk, 'filler');
  return {
    path: spool,
    async strike(chance) {
      const left = chance.happens(0.4) ? 0 : chance.between(1, 400) * 1024;
      await fill(filler, disk, left);
      return { what: `disk full but for ${left} bytes`, mend: () => rm(filler, { force: true }) };
    },
    async close() {
      await run('umount', ['--lazy', disk]);
      await dir.close();
    },
  };
}

const mebibyte = 2 ** 20;

/** Writes zeros until nothing fits any more, and gives back what is to be left. */
async function fill(path: string, disk: string, left: number): Promise<void> {
  const file = await open(path, 'w');
  try {
    let size = 0;
    for (let piece = mebibyte; piece >= 4096; piece /= 2) {
      while (await write(file, piece)) size += piece;
    }
    await file.truncate(Math.max(0, size - left));
  } finally {
    await file.close();
  }
  const { bavail, bsize } = await statfs(disk);
  if (bavail * bsize > left + 2 * mebibyte) throw new Error(`the disk still has ${bavail * bsize} bytes`);
}

async function write(file: Awaited<ReturnType<typeof open>>, bytes: number): Promise<boolean> {
  try {
    return (await file.write(Buffer.alloc(bytes))).bytesWritten === bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
