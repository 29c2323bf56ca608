import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { removeLeftBy } from './left-by.js';

/**
 * Replaces a file so that readers, and a machine that loses power, see the old or the new content and nothing between.
 * @param mode permission bits of the new file
 */
export async function writeAtomically(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  await removeLeftBy(dirname(path), { prefix: `${basename(path)}.`, suffix: '.new' });
  const temporary = `${path}.${process.pid}-${randomBytes(6).toString('hex')}.new`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      // `open` subtracts the umask; the mode asked for is meant exactly.
      await file.chmod(mode);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
  await syncDirectory(dirname(path));
}

/** Makes a rename in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
