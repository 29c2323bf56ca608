import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A name beside a file for what is to become it; it says which process is at it. */
export function temporaryName(path: string): string {
  return `${path}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`;
}

/** Removes what processes that are gone left under such names. */
export async function removeStaleFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const prefix = `${basename(path)}.`;
    for (const name of await readdir(dirname(path)).catch(() => [])) {
      const pid = name.startsWith(prefix)
        ? /^(\d+)-[0-9a-f]{12}\.tmp$/.exec(name.slice(prefix.length))?.[1]
        : undefined;
      if (pid !== undefined && !isRunning(Number(pid))) await rm(join(dirname(path), name), { force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
