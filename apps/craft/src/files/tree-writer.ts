import { constants } from 'node:fs';
import { chmod, copyFile, link, lstat, lutimes, mkdir, open, symlink, unlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CraftError } from '../errors.js';

/** Writes entries below one directory and nowhere else. Paths are relative with `/`. */
export interface TreeWriter {
  directory(path: string, mode: number): Promise<void>;
  file(path: string, mode: number, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Copies a file of the host, sharing its blocks where the file system can. */
  copy(path: string, mode: number, from: string): Promise<void>;
  symlink(path: string, target: string): Promise<void>;
  /** A second name for a file that this writer wrote. */
  hardlink(path: string, existing: string): Promise<void>;
  /** Gives directories their modes, deepest first; call it once at the end. */
  finish(): Promise<void>;
}

/** How a writer treats what is there. */
export interface TreeWriterOptions {
  /** Replace files and links that exist; directories are merged in any case. */
  readonly replace?: boolean;
}

/**
 * Opens a writer. No entry is written through a symbolic link and no path leaves the root, whatever an archive or a build
 * script left there: every parent must be a real directory.
 */
export function createTreeWriter(root: string, options: TreeWriterOptions = {}): TreeWriter {
  const known = new Set<string>(['.', '']);
  const modes = new Map<string, number>();

  async function ensure(path: string): Promise<void> {
    if (known.has(path)) return;
    await ensure(dirname(path));
    await makeRealDirectory(join(root, path), path);
    known.add(path);
  }

  async function place(path: string): Promise<string> {
    checkInside(path);
    await mkdir(root, { recursive: true });
    await ensure(dirname(path));
    const full = join(root, path);
    if (options.replace) await removeEntry(full, path);
    return full;
  }

  return {
    async directory(path, mode) {
      if (path === '' || path === '.') return;
      checkInside(path);
      await mkdir(root, { recursive: true });
      await ensure(path);
      modes.set(path, mode & 0o7777);
    },
    async file(path, mode, content) {
      const full = await place(path);
      const handle = await open(full, 'wx', 0o600);
      await pipeline(content, handle.createWriteStream());
      await chmod(full, mode & 0o7777);
    },
    async copy(path, mode, from) {
      const full = await place(path);
      await copyFile(from, full, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await chmod(full, mode & 0o7777);
    },
    async symlink(path, target) {
      await symlink(target, await place(path));
    },
    async hardlink(path, existing) {
      checkInside(existing);
      await ensure(dirname(existing));
      const info = await lstat(join(root, existing)).catch(() => undefined);
      if (!info?.isFile()) throw unsafe(`${path} is a second name of ${existing}, which is not a file of the tree`);
      await link(join(root, existing), await place(path));
    },
    async finish() {
      const deepestFirst = [...modes].sort(([a], [b]) => b.length - a.length);
      for (const [path, mode] of deepestFirst) await chmod(join(root, path), mode);
    },
  };
}

/** Gives an entry the modification time of another; links keep their own. */
export async function setModified(path: string, mtimeNs: bigint, isLink: boolean): Promise<void> {
  const seconds = Number(mtimeNs) / 1e9;
  await (isLink ? lutimes : utimes)(path, seconds, seconds);
}

/** @throws CraftError CRAFT_TREE_UNSAFE when a path is absolute, empty or climbs */
export function checkInside(path: string): void {
  if (path === '' || path.startsWith('/') || path.includes('\0') || path.split('/').some((part) => part === '..')) {
    throw unsafe(`the path ${JSON.stringify(path.slice(0, 200))} leaves its directory`);
  }
}

async function makeRealDirectory(full: string, path: string): Promise<void> {
  try {
    await mkdir(full, { mode: 0o755 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const info = await lstat(full);
    if (!info.isDirectory())
      throw unsafe(`${path} is ${info.isSymbolicLink() ? 'a symbolic link' : 'a file'}, but something lies below it`);
  }
}

async function removeEntry(full: string, path: string): Promise<void> {
  const info = await lstat(full).catch(() => undefined);
  if (!info) return;
  if (info.isDirectory()) throw unsafe(`${path} is a directory and a file`);
  await unlink(full);
}

function unsafe(message: string): CraftError {
  return new CraftError('CRAFT_TREE_UNSAFE', message);
}
