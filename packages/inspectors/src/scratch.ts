import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InspectorError } from './errors.js';

/** A private directory that is watched while it is in use. */
export interface ScratchDirectory {
  readonly path: string;
  /** Stops the watch and removes the directory with all that is in it. Idempotent. */
  remove(): Promise<void>;
}

export interface ScratchOptions {
  /** Parent directory; created when absent. */
  readonly parent: string;
  readonly maxBytes: number;
  /** Called once when the directory has grown beyond `maxBytes`. */
  readonly onFull: (error: InspectorError) => void;
  /** Default 200 ms. */
  readonly watchEveryMs?: number;
}

const prefix = 'inspection-';

/**
 * Makes a directory only its owner can enter. Programs write there behind our back, so its size is watched rather than
 * counted.
 */
export async function createScratch(options: ScratchOptions): Promise<ScratchDirectory> {
  await mkdir(options.parent, { recursive: true, mode: 0o700 });
  const path = await mkdtemp(join(options.parent, `${prefix}${process.pid}-`));
  let removed: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const watch = () => {
    timer = setTimeout(async () => {
      const size = await directorySize(path);
      if (removed) return;
      if (size > options.maxBytes) options.onFull(full(size, options.maxBytes));
      else watch();
    }, options.watchEveryMs ?? 200);
    timer.unref();
  };
  watch();
  return {
    path,
    remove() {
      clearTimeout(timer);
      removed ??= rm(path, { recursive: true, force: true, maxRetries: 3 });
      return removed;
    },
  };
}

/** Removes what processes left behind that no longer run. */
export async function removeStaleScratch(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1] ?? Number.NaN);
    if (Number.isSafeInteger(pid) && !isAlive(pid)) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/** Bytes of all files below; what vanishes meanwhile counts nothing. */
export async function directorySize(path: string): Promise<number> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true }).catch(() => []);
  let size = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    size += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  }
  return size;
}

function full(size: number, maxBytes: number): InspectorError {
  return new InspectorError('INSPECTOR_SCRATCH_FULL', `the inspection wrote ${size} bytes, allowed are ${maxBytes}`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
