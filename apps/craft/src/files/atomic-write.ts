import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Writes a file so that it is there whole or not at all, also after a crash. Parents are made.
 * @param mode permission bits of the file
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await replaceAtomic(path, async (temporary) => {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}

/** Lets `write` make a file under a temporary name beside `path` and then gives it its name; nothing remains when it fails. */
export async function replaceAtomic(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    await write(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** What {@link replaceAtomic} calls a file until it is whole, and what is made beside it. */
const unfinished = /\.[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\.part(?:\.[a-z]+)?$/;

/**
 * Removes what a process that was killed left of files that it was making. To call when nobody else makes them.
 * @param stem what the names of these files begin with, up to a dot
 */
export async function removeUnfinished(directory: string, stem: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    if (name.startsWith(`${stem}.`) && unfinished.test(name)) {
      await rm(join(directory, name), { recursive: true, force: true });
    }
  }
}
