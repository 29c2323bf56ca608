import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A path that an ordinary user may not read. */
export interface PrivatePath {
  readonly path: string;
  readonly isDirectory: boolean;
}

/** Where services keep secrets, and how deep to look. */
const places = [
  ['/', 1],
  ['/boot', 1],
  ['/etc', 4],
  ['/usr/local', 2],
  ['/var', 2],
  ['/opt', 1],
  ['/srv', 1],
] as const;

const mostEntries = 20_000;
const othersRead = 0o004;

/**
 * System files that are not for everybody's eyes (keys, password hashes, state of services). Root's sandbox would own and so
 * read them: capabilities are dropped, the user is the same.
 */
export function privatePaths(roots: readonly (readonly [path: string, depth: number])[] = places): PrivatePath[] {
  const found: PrivatePath[] = [];
  let budget = mostEntries;
  const visit = (directory: string, depth: number): void => {
    for (const entry of entriesOf(directory)) {
      if (budget-- <= 0) return;
      if (!entry.isDirectory() && !entry.isFile()) continue;
      const path = join(directory, entry.name);
      if (!isForEverybody(path)) found.push({ path, isDirectory: entry.isDirectory() });
      else if (entry.isDirectory() && depth > 1) visit(path, depth - 1);
    }
  };
  for (const [path, depth] of roots) visit(path, depth);
  return found;
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

function isForEverybody(path: string): boolean {
  try {
    return (lstatSync(path).mode & othersRead) !== 0;
  } catch {
    return true;
  }
}
