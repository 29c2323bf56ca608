import { lstat, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkInside } from './tree-writer.js';

/**
 * Removes one entry below a root: a file, a link, or a directory when it is empty. What is not there, or is only reached
 * through a symbolic link, is left alone.
 */
export async function removeInside(root: string, path: string): Promise<void> {
  checkInside(path);
  if (!(await hasRealParents(root, path))) return;
  const full = join(root, path);
  const info = await lstat(full).catch(() => undefined);
  if (!info) return;
  if (!info.isDirectory()) return unlink(full);
  await rmdir(full).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
}

async function hasRealParents(root: string, path: string): Promise<boolean> {
  const parent = dirname(path);
  if (parent === '.') return true;
  if (!(await hasRealParents(root, parent))) return false;
  const info = await lstat(join(root, parent)).catch(() => undefined);
  return info?.isDirectory() ?? false;
}
