import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Pack, type WriteEntry } from 'tar';
import { walkTree } from '../files/walk-tree.js';

/** How a tree is packed. */
export interface TarOptions {
  /** Time of every entry. */
  readonly mtime: Date;
  /** Default true. */
  readonly gzip?: boolean;
}

/**
 * Packs a tree as `.tar.gz` or `.tar`. The same files give the same bytes: entries are sorted by their bytes, times are fixed, owners
 * are nobody's and modes are reduced to what a checkout has (executable or not, and set-id bits).
 */
export async function packTar(directory: string, output: string, { mtime, gzip = true }: TarOptions): Promise<void> {
  const entries = await walkTree(directory);
  const pack = new Pack({
    cwd: directory,
    ...(gzip && { gzip: { level: 9 } }),
    portable: true,
    mtime,
    noDirRecurse: true,
    jobs: 1,
    strict: true,
    onWriteEntry: normalise,
  });
  const done = pipeline(
    pack as unknown as NodeJS.ReadableStream,
    createWriteStream(output, { flags: 'wx', mode: 0o644 }),
  );
  for (const entry of entries) pack.add(entry.path);
  pack.end();
  await done;
}

function normalise(entry: WriteEntry): void {
  // The portable mode leaves the times of directories out, which shows as 1970.
  entry.noMtime = false;
  const { stat } = entry;
  if (!stat) return;
  const special = stat.mode & 0o7000;
  // Links are executable everywhere; their mode means nothing.
  const executable = stat.isDirectory() || (stat.mode & 0o111) !== 0;
  stat.mode = (stat.mode & ~0o7777) | special | (executable ? 0o755 : 0o644);
}
