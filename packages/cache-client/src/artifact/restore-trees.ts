import { chmod, type FileHandle, mkdir, open, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { CacheArtifact, CacheTreeItem } from '@waybill/contracts';
import { CacheClientError } from '../errors.js';
import type { Content } from '../local/content.js';
import { ifThere, localError } from '../local/system-error.js';
import { inParallel } from './in-parallel.js';

/**
 * Writes trees of an artifact into directories that are empty or not there yet. The manifest was checked: what lies in a
 * directory lies in one that this function made, never behind a link.
 * @throws CacheClientError CACHE_TARGET_IN_USE, CACHE_ARTIFACT_DAMAGED, CACHE_LOCAL_FAILED
 */
export async function restoreTrees(
  content: Content,
  manifest: CacheArtifact,
  trees: Readonly<Record<string, string>>,
  atOnce: number,
): Promise<void> {
  try {
    for (const directory of Object.values(trees)) await prepare(directory);
    for (const [name, directory] of Object.entries(trees)) {
      const prefix = `${name}/`;
      const items = manifest.files.filter(({ path }) => path === name || path.startsWith(prefix));
      await restoreTree(content, items, (path) => join(directory, path.slice(prefix.length)), atOnce);
    }
  } catch (error) {
    throw localError(error, 'write the files of an artifact');
  }
}

async function restoreTree(
  content: Content,
  items: readonly CacheTreeItem[],
  place: (path: string) => string,
  atOnce: number,
): Promise<void> {
  const directories = items.filter((item) => item.type === 'directory');
  // The first one is the tree's own directory, which is there.
  for (const { path } of directories.slice(1)) await mkdir(place(path), { mode: 0o700 });
  await inParallel(items, atOnce, async (item) => {
    if (item.type === 'file') await writeFile(content, item, place(item.path));
    if (item.type === 'symlink') await symlink(item.target, place(item.path));
  });
  // Deepest first, and last of all: a directory may be one that nothing can be written into.
  for (const { path, mode } of directories.toReversed()) await chmod(place(path), mode & 0o777);
}

async function writeFile(content: Content, item: CacheTreeItem & { type: 'file' }, path: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of content.chunks(item)) await writeWhole(handle, chunk);
    await handle.chmod(item.mode & 0o777);
  } finally {
    await handle.close();
  }
}

async function writeWhole(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten;
}

async function prepare(directory: string): Promise<void> {
  const there = await ifThere(readdir(directory));
  if (there === undefined) await mkdir(directory, { recursive: true });
  else if (there.length > 0) {
    throw new CacheClientError('CACHE_TARGET_IN_USE', `${directory} is not empty`, {
      hint: 'an artifact is written into a directory of its own: clean the part first',
    });
  }
}
