import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pipeline } from 'node:stream/promises';
import { createTempDir } from '../../test/harness/temp-dir.js';

/** Every file and socket below a directory, as paths relative to it; what vanishes meanwhile is left out. */
export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => relative(directory, join(entry.parentPath, entry.name))).sort();
}

/** File below a directory → sha256. */
export async function digestsBelow(directory: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const path of await filesBelow(directory)) found.set(path, await digestOf(join(directory, path)));
  return found;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** What SQLite finds wrong with the database of a daemon that does not run; looks at a copy, so that nothing is repaired. */
export async function databaseFaults(path: string): Promise<string[]> {
  const copies = await createTempDir();
  try {
    const copy = copies.at('copy.db');
    await copyFile(path, copy);
    // The log that the killed process left is part of it.
    await copyFile(`${path}-wal`, `${copy}-wal`).catch(() => {});
    const database = new DatabaseSync(copy);
    try {
      const rows = database.prepare('pragma integrity_check').all() as { integrity_check: string }[];
      const found = rows.map(({ integrity_check: text }) => text).filter((text) => text !== 'ok');
      const dangling = database.prepare('pragma foreign_key_check').all() as object[];
      return [...found, ...dangling.map((row) => `a reference to nothing: ${JSON.stringify(row)}`)];
    } finally {
      database.close();
    }
  } finally {
    await copies.close();
  }
}

/** Names of session directories in a spool, whatever is in them. */
export async function sessionDirectories(spool: string): Promise<string[]> {
  return (await readdir(spool).catch(() => [])).filter((name) => !name.startsWith('.'));
}
