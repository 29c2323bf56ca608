import { createReadStream } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CraftError } from '../../errors.js';
import { copyEntries } from '../../files/copy-tree.js';
import type { TreeEntry } from '../../files/walk-tree.js';
import type { PathFilter } from '../filter.js';

/** Entries that a filter lets through, and the directories above them. */
export function selectEntries(entries: readonly TreeEntry[], filter: PathFilter): TreeEntry[] {
  const kept = entries.filter((entry) => filter(entry.path));
  const wanted = new Set(kept.map((entry) => entry.path));
  for (const entry of kept) {
    for (let parent = dirname(entry.path); parent !== '.'; parent = dirname(parent)) wanted.add(parent);
  }
  return entries.filter((entry) => wanted.has(entry.path));
}

/** A place where two parts want different things. */
export interface Collision {
  readonly path: string;
  readonly owner: string;
}

/** Who shares a directory. */
export interface Sharing {
  readonly part: string;
  /** Which part put a path there already. */
  readonly owners: ReadonlyMap<string, string>;
  /** Notes what will be there, before it is: what a killed run left can then be taken back. */
  remember(paths: readonly string[]): Promise<void>;
}

/**
 * Puts entries of one tree into a shared one.
 * @throws CraftError CRAFT_PART_COLLISION naming the parts and paths; nothing has been copied then
 */
export async function migrate(
  from: string,
  to: string,
  entries: readonly TreeEntry[],
  sharing: Sharing,
): Promise<string[]> {
  const collisions: Collision[] = [];
  const fresh: TreeEntry[] = [];
  for (const entry of entries) {
    const there = await lstat(join(to, entry.path)).catch(() => undefined);
    if (!there) fresh.push(entry);
    else if (entry.kind === 'directory' && there.isDirectory()) continue;
    else if (!(await isSame(join(from, entry.path), join(to, entry.path), entry))) {
      collisions.push({ path: entry.path, owner: sharing.owners.get(entry.path) ?? 'a script' });
    }
  }
  if (collisions.length > 0) throw collisionError(sharing.part, collisions);
  const paths = entries.map((entry) => entry.path);
  await sharing.remember(paths);
  await copyEntries(from, to, fresh, { replace: false });
  return paths;
}

async function isSame(a: string, b: string, entry: TreeEntry): Promise<boolean> {
  const there = await lstat(b);
  if (entry.kind === 'symlink') return there.isSymbolicLink() && (await readlink(b)) === entry.target;
  if (entry.kind !== 'file' || !there.isFile()) return false;
  if (there.size !== entry.size || (there.mode & 0o7777) !== entry.mode) return false;
  return sameBytes(a, b);
}

async function sameBytes(a: string, b: string): Promise<boolean> {
  const options = { highWaterMark: 1 << 18 };
  const other = createReadStream(b, options)[Symbol.asyncIterator]();
  // Both have the same size and step, so their pieces line up.
  for await (const chunk of createReadStream(a, options)) {
    const next = await other.next();
    if (next.done || !(chunk as Buffer).equals(next.value as Buffer)) {
      await other.return?.();
      return false;
    }
  }
  await other.return?.();
  return true;
}

function collisionError(part: string, collisions: readonly Collision[]): CraftError {
  const owners = [...new Set(collisions.map((collision) => collision.owner))].sort();
  const shown = collisions.slice(0, 20).map((collision) => `  ${collision.path} (also from ${collision.owner})`);
  return new CraftError(
    'CRAFT_PART_COLLISION',
    `part ${part} and ${owners.join(', ')} want different files at the same place`,
    {
      details: [...shown, ...(collisions.length > 20 ? [`  … and ${collisions.length - 20} more`] : [])],
      hint: 'leave the file out of one of the parts with `stage`, or move it with `organize`',
    },
  );
}
