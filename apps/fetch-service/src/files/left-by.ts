import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../errors.js';

/** Names of files and folders on the way to something: they go on with the number of the process that makes them. */
export interface OwnName {
  readonly prefix: string;
  readonly suffix?: string;
}

/**
 * What processes that are gone left in a directory. Others' is left out: the directory may be one where everybody writes, and
 * a name alone proves little there.
 */
export async function leftBy(
  directory: string,
  { prefix, suffix = '' }: OwnName,
): Promise<{ readonly path: string; readonly isDirectory: boolean }[]> {
  const found: { path: string; isDirectory: boolean }[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    if (!name.startsWith(prefix) || !name.endsWith(suffix)) continue;
    const middle = name.slice(prefix.length, name.length - suffix.length);
    const pid = Number(/^(\d{1,10})(?:-[0-9a-f]+)?$/.exec(middle)?.[1] ?? Number.NaN);
    const path = join(directory, name);
    if (Number.isNaN(pid) || isRunning(pid)) continue;
    const entry = await lstat(path).catch(() => undefined);
    if (entry && entry.uid === process.getuid?.()) found.push({ path, isDirectory: entry.isDirectory() });
  }
  return found;
}

/** Removes files that processes which are gone left in a directory. */
export async function removeLeftBy(directory: string, name: OwnName): Promise<void> {
  for (const { path, isDirectory } of await leftBy(directory, name))
    if (!isDirectory) await rm(path, { force: true }).catch(() => {});
}

/** Process 0 and those of another user count as running: nothing of theirs is ours to remove. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return systemCode(cause) !== 'ESRCH';
  }
}
