import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CraftError } from '../errors.js';
import { isAlive } from './runtime-file.js';

const emptyLockLivesMs = 5_000;

/**
 * Does something while no other craft run does it. The lock is a file with our process id; one whose process is gone is
 * taken over.
 * @param waitMs how long to wait for others
 * @throws CraftError CRAFT_WORK_BUSY when others hold it for longer
 */
export async function withLock<T>(path: string, what: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const deadline = Date.now() + waitMs;
  while (!(await take(path))) {
    if (Date.now() >= deadline) {
      const holder = (await readFile(path, 'utf8').catch(() => '')).trim();
      throw new CraftError('CRAFT_WORK_BUSY', `another craft run (process ${holder || 'unknown'}) ${what}`, {
        hint: `wait for it; if there is none, remove ${path}`,
      });
    }
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  if (await create(path)) return true;
  if (!(await isStale(path))) return false;
  await putAside(path);
  return create(path);
}

async function create(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(`${process.pid}\n`);
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

/** Two may find a lock stale at the same time: what the slower one takes away can be the new lock of the quicker one. */
async function putAside(path: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  await rename(path, aside).catch(() => {});
  if (!(await isStale(aside))) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

async function isStale(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return false;
  const pid = Number(text.trim());
  if (pid > 0) return !isAlive(pid);
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > emptyLockLivesMs;
}
