import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type CacheTreeItem, cacheTreeItemSchema } from '@waybill/contracts';
import { CacheClientError } from '../errors.js';
import type { Content } from '../local/content.js';
import { inParallel } from './in-parallel.js';

/**
 * Puts the files of directories into the content and lists what they hold, sorted as a manifest wants it. Symbolic links are
 * not followed; times and owners are not kept.
 * @throws CacheClientError CACHE_TREE_UNSUPPORTED
 */
export async function collectTrees(
  content: Content,
  trees: Readonly<Record<string, string>>,
  atOnce: number,
): Promise<CacheTreeItem[]> {
  const found: Found[] = [];
  for (const [name, directory] of Object.entries(trees)) {
    if (name.includes('/')) throw unsupported(name, 'the name of a tree is one path segment');
    await walk(directory, name, found);
  }
  const items: CacheTreeItem[] = [];
  await inParallel(found, atOnce, async (one) => {
    items.push(checked(await describe(content, one)));
  });
  return items.sort((a, b) => (a.path < b.path ? -1 : 1));
}

interface Found {
  readonly path: string;
  readonly file: string;
  readonly kind: 'file' | 'directory' | 'symlink';
  readonly mode: number;
}

async function walk(file: string, path: string, found: Found[]): Promise<void> {
  const info = await lstat(file);
  const kind = info.isFile()
    ? 'file'
    : info.isDirectory()
      ? 'directory'
      : info.isSymbolicLink()
        ? 'symlink'
        : undefined;
  if (!kind) throw unsupported(path, 'it is neither file, directory nor symbolic link');
  if (kind !== 'symlink' && info.mode & 0o7000) {
    throw unsupported(
      path,
      `its mode ${(info.mode & 0o7777).toString(8)} has a set-user-id, set-group-id or sticky bit`,
    );
  }
  found.push({ path, file, kind, mode: info.mode & 0o777 });
  if (kind !== 'directory') return;
  for (const raw of await readdir(file, { encoding: 'buffer' })) {
    const name = raw.toString('utf8');
    if (!Buffer.from(name).equals(raw)) throw unsupported(`${path}/${name}`, 'its name is not UTF-8');
    await walk(join(file, name), `${path}/${name}`, found);
  }
}

async function describe(content: Content, { path, file, kind, mode }: Found): Promise<CacheTreeItem> {
  if (kind === 'directory') return { type: kind, path, mode };
  if (kind === 'symlink') return { type: kind, path, target: await readlink(file) };
  return { type: kind, path, mode, ...(await content.putFile(file)) };
}

function checked(item: CacheTreeItem): CacheTreeItem {
  const parsed = cacheTreeItemSchema.safeParse(item);
  if (parsed.success) return parsed.data;
  throw unsupported(item.path, parsed.error.issues[0]?.message ?? 'it has no place in a manifest');
}

function unsupported(path: string, why: string): CacheClientError {
  return new CacheClientError('CACHE_TREE_UNSUPPORTED', `${JSON.stringify(path)} cannot be cached: ${why}`, {
    hint: 'the part is built each time as long as it holds such files',
  });
}
