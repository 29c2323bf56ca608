import { lstat, mkdir, readFile, readlink, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CraftError } from '../errors.js';
import { walkTree } from '../files/walk-tree.js';
import { compilePattern, isGlob } from './filter.js';

/**
 * Moves what a part installed to where `organize` wants it. A key is a path or a glob below the install directory; a value
 * that ends in `/`, and any value of a glob, is a directory. Keys that match nothing are passed over. Directories merge;
 * a file that is in the way is an error unless it is the same.
 * @throws CraftError CRAFT_ORGANIZE_FAILED
 */
export async function organize(install: string, rules: Readonly<Record<string, string>>, part: string): Promise<void> {
  for (const [key, value] of Object.entries(rules)) {
    const sources = await matching(install, key.replace(/\/+$/, ''));
    const intoDirectory = value.endsWith('/') || isGlob(key);
    const target = value.replace(/\/+$/, '');
    for (const source of sources) {
      const to = intoDirectory ? join(target, basename(source)) : target;
      await move(install, source, to, part);
    }
  }
}

async function matching(install: string, key: string): Promise<string[]> {
  if (!isGlob(key)) return (await exists(install, key)) ? [key] : [];
  const test = compilePattern(key);
  const found = (await walkTree(install)).map((entry) => entry.path).filter(test);
  return found.filter((path) => !found.some((other) => path.startsWith(`${other}/`)));
}

/** Whether a path is there without going through a symbolic link: behind one may lie the rest of the machine. */
async function exists(install: string, path: string): Promise<boolean> {
  const parent = dirname(path);
  if (parent !== '.') {
    const info = (await exists(install, parent)) ? await lstat(join(install, parent)) : undefined;
    if (!info?.isDirectory()) return false;
  }
  return (await lstat(join(install, path)).catch(() => undefined)) !== undefined;
}

async function move(install: string, from: string, to: string, part: string): Promise<void> {
  if (from === to || to.startsWith(`${from}/`)) {
    if (from === to) return;
    throw failed(part, `cannot move ${from} into itself (${to})`);
  }
  await ensureParents(install, to, part);
  const [source, target] = [join(install, from), join(install, to)];
  const [now, there] = await Promise.all([lstat(source), lstat(target).catch(() => undefined)]);
  if (!there) return rename(source, target);
  if (now.isDirectory() && there.isDirectory()) {
    const children = (await walkTree(source)).filter((entry) => !entry.path.includes('/'));
    for (const child of children) await move(install, join(from, child.path), join(to, child.path), part);
    return rmdir(source);
  }
  if (await isSame(source, target)) return rm(source);
  throw failed(part, `${to} exists already and is not the same as ${from}`);
}

async function ensureParents(install: string, path: string, part: string): Promise<void> {
  const parent = dirname(path);
  if (parent === '.') return;
  await ensureParents(install, parent, part);
  await mkdir(join(install, parent)).catch(async (error: NodeJS.ErrnoException) => {
    const info = await lstat(join(install, parent)).catch(() => undefined);
    if (error.code !== 'EEXIST' || !info?.isDirectory()) throw failed(part, `${parent} is not a directory`);
  });
}

async function isSame(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([lstat(a), lstat(b)]);
  if (first.isSymbolicLink() && second.isSymbolicLink()) return (await readlink(a)) === (await readlink(b));
  if (!first.isFile() || !second.isFile() || first.size !== second.size || first.mode !== second.mode) return false;
  const [x, y] = await Promise.all([readFile(a), readFile(b)]);
  return x.equals(y);
}

function failed(part: string, message: string): CraftError {
  return new CraftError('CRAFT_ORGANIZE_FAILED', `organize of part ${part}: ${message}`);
}
