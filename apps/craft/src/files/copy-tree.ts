import { join } from 'node:path';
import { createTreeWriter, setModified } from './tree-writer.js';
import { type TreeEntry, type WalkOptions, walkTree } from './walk-tree.js';

/**
 * Copies a tree with modes, times and symbolic links as they are (links are not followed).
 * @returns what was copied
 * @throws CraftError CRAFT_TREE_UNSAFE
 */
export async function copyTree(
  from: string,
  to: string,
  options: WalkOptions & { replace?: boolean } = {},
): Promise<TreeEntry[]> {
  const entries = await walkTree(from, options);
  await copyEntries(from, to, entries, { replace: options.replace ?? false });
  return entries;
}

/** Copies chosen entries of a tree; missing parents are made. */
export async function copyEntries(
  from: string,
  to: string,
  entries: readonly TreeEntry[],
  options: { replace: boolean },
): Promise<void> {
  const writer = createTreeWriter(to, options);
  for (const entry of entries) {
    if (entry.kind === 'directory') {
      await writer.directory(entry.path, entry.mode);
      continue;
    }
    if (entry.kind === 'symlink') await writer.symlink(entry.path, entry.target ?? '');
    else await writer.copy(entry.path, entry.mode, join(from, entry.path));
    await setModified(join(to, entry.path), entry.mtimeNs, entry.kind === 'symlink');
  }
  await writer.finish();
}
