import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { referencesOf } from '../artifact/manifest.js';
import { listContent } from './content.js';
import type { Entries, EntryDocument, UsedEntry } from './entries.js';
import type { LocalCacheOptions } from './options.js';
import type { Stored } from './stored.js';
import { ifThere, systemCode } from './system-error.js';

const defaultLeaseMs = 5 * 60_000;
/** Whoever left a temporary file or a lock so long ago is gone. */
const forgottenMs = 24 * 3_600_000;
const lockLivesMs = 10 * 60_000;

/**
 * Keeps a directory to its quota: names that were not used for longest go until what the others need fits below the low
 * watermark, then content that no name needs. The directory is counted once a process and then only when the quota seems used up.
 */
export function createCollector(
  options: LocalCacheOptions,
  entries: Entries,
  load: (document: EntryDocument) => Promise<Stored | undefined>,
): (addedBytes: number) => Promise<void> {
  const { dir, quotaBytes, lowWatermark = 0.8, leaseMs = defaultLeaseMs } = options;
  let known: number | undefined;
  return async (addedBytes) => {
    if (quotaBytes === undefined) return;
    known = known === undefined ? await contentBytes(dir) : known + addedBytes;
    if (known <= quotaBytes) return;
    await withLock(join(dir, 'collect.lock'), async () => {
      await sweepTemporary(join(dir, 'tmp'));
      const kept = await chooseNames(entries, load, { limit: quotaBytes * lowWatermark, leaseMs });
      await sweepContent(dir, kept, leaseMs);
    });
    known = await contentBytes(dir);
  };
}

async function contentBytes(dir: string): Promise<number> {
  let bytes = 0;
  for await (const { size } of listContent(dir)) bytes += size;
  return bytes;
}

/** Removes the names that do not fit any more. @returns blobs of those that stay */
async function chooseNames(
  entries: Entries,
  load: (document: EntryDocument) => Promise<Stored | undefined>,
  { limit, leaseMs }: { readonly limit: number; readonly leaseMs: number },
): Promise<ReadonlySet<string>> {
  const all: UsedEntry[] = [];
  for await (const entry of entries.all()) all.push(entry);
  const kept = new Set<string>();
  let bytes = 0;
  let isFull = false;
  for (const { document, path, usedMs } of all.sort((a, b) => b.usedMs - a.usedMs)) {
    const stored = await load(document);
    const blobs = stored
      ? [stored.blob, ...referencesOf(stored.manifest)].filter(({ sha256 }) => !kept.has(sha256))
      : [];
    const more = blobs.reduce((sum, { size }) => sum + size, 0);
    const isLeased = Date.now() - usedMs < leaseMs;
    isFull ||= bytes + more > limit;
    if (!stored || (isFull && !isLeased)) {
      await removeUnused(path, usedMs);
      continue;
    }
    bytes += more;
    for (const { sha256 } of blobs) kept.add(sha256);
  }
  return kept;
}

async function sweepContent(dir: string, kept: ReadonlySet<string>, leaseMs: number): Promise<void> {
  for await (const { sha256, path, usedMs } of listContent(dir)) {
    if (!kept.has(sha256) && Date.now() - usedMs >= leaseMs) await removeUnused(path, usedMs);
  }
}

/** Unless somebody has used it since it was looked at. */
async function removeUnused(path: string, usedMs: number): Promise<void> {
  const now = await ifThere(stat(path));
  if (now && now.mtimeMs <= usedMs) await rm(path, { force: true });
}

async function sweepTemporary(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await ifThere(stat(path));
    if (found && Date.now() - found.mtimeMs > forgottenMs) await rm(path, { force: true });
  }
}

/** One process at a time; the others go on without. */
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  await removeForgottenLock(path);
  try {
    await writeFile(path, String(process.pid), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    throw error;
  }
  try {
    await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** A lock of a process that is gone, or of one that has had it for too long. Two that collect at once do no harm. */
async function removeForgottenLock(path: string): Promise<void> {
  const held = await ifThere(stat(path));
  if (!held) return;
  const pid = Number(await ifThere(readFile(path, 'utf8')));
  const isOver = Date.now() - held.mtimeMs > lockLivesMs || (Number.isInteger(pid) && pid > 0 && !isRunning(pid));
  if (isOver) await rm(path, { force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}
