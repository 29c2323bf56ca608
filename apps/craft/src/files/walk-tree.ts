import { lstat, opendir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CraftError } from '../errors.js';

/** One entry of a directory tree. */
export interface TreeEntry {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink';
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Text of a symbolic link. */
  readonly target?: string;
}

/** What to walk. */
export interface WalkOptions {
  /** Leaves a path, and what lies below it, out. */
  readonly ignore?: ((path: string) => boolean) | undefined;
}

/**
 * Entries below a directory in the order of their bytes, directories before what is in them. Symbolic links are not
 * followed. An absent root has no entries.
 * @throws CraftError CRAFT_TREE_UNSAFE for sockets, devices and pipes: they cannot be carried on
 */
export async function walkTree(root: string, options: WalkOptions = {}): Promise<TreeEntry[]> {
  const out: TreeEntry[] = [];
  const visit = async (relative: string): Promise<void> => {
    const names: string[] = [];
    for await (const entry of await opendir(join(root, relative))) names.push(entry.name);
    for (const name of names.sort(compareBytes)) {
      const path = relative === '' ? name : `${relative}/${name}`;
      if (options.ignore?.(path)) continue;
      const entry = await readEntry(root, path);
      out.push(entry);
      if (entry.kind === 'directory') await visit(path);
    }
  };
  try {
    await visit('');
  } catch (error) {
    if (out.length > 0 || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return out;
}

/** Order of the names' UTF-8 bytes: the same on every machine, whatever its locale. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

async function readEntry(root: string, path: string): Promise<TreeEntry> {
  const full = join(root, path);
  const info = await lstat(full, { bigint: true });
  const common = { path, mode: Number(info.mode & 0o7777n), mtimeNs: info.mtimeNs };
  if (info.isSymbolicLink()) return { ...common, kind: 'symlink', size: 0, target: await readlink(full) };
  if (info.isDirectory()) return { ...common, kind: 'directory', size: 0 };
  if (info.isFile()) return { ...common, kind: 'file', size: Number(info.size) };
  throw new CraftError('CRAFT_TREE_UNSAFE', `${full} is neither a file, a directory nor a symbolic link`, {
    hint: 'leave it out of the source, or remove it in an override script',
  });
}
