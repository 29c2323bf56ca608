import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@waybill/contracts';
import { storageError, systemCode } from '../errors.js';
import type { Appender } from './appender.js';
import type { Catalog, Segment } from './catalog.js';
import { blockBytes, type HashPool } from './hash-pool.js';
import { isBlobName, type Layout } from './layout.js';
import { deletedHeader } from './record.js';
import type { SegmentFiles } from './segment-files.js';
import { type SegmentEntry, SegmentIndex } from './segment-index.js';
import { readExactly, scanSegment } from './segment-scan.js';

/** What opening needs. */
export interface RecoveryContext {
  readonly layout: Layout;
  readonly catalog: Catalog;
  readonly files: SegmentFiles;
  readonly appender: Appender;
  readonly hashes: HashPool;
  readonly logger: Logger;
  /** Takes the records that are for everybody. */
  readonly notes: SegmentEntry[];
}

/** Fills the index from the segments, oldest first, cuts off a torn tail and goes on with the last segment. */
export async function loadSegments(context: RecoveryContext, segmentBytes: number): Promise<void> {
  const { catalog, files, appender, layout } = context;
  try {
    const found = await files.list();
    for (const [position, { number, tag }] of found.entries()) {
      const segment: Segment = { number, tag, bytes: 0, live: 0, deleted: 0, sealed: position < found.length - 1 };
      catalog.segments.set(number, segment);
      const handle = await open(files.path(segment), 'r+');
      let kept = false;
      try {
        const index = await loadSegment(context, segment, handle);
        if (segment.bytes >= segmentBytes) segment.sealed = true;
        if (!segment.sealed) {
          appender.resume({ segment, handle, index });
          kept = true;
        }
      } finally {
        if (!kept) await handle.close();
      }
    }
  } catch (error) {
    throw storageError(error, 'read the segments in', layout.packs);
  }
}

async function loadSegment(context: RecoveryContext, segment: Segment, handle: FileHandle): Promise<SegmentIndex> {
  const { catalog, files, logger, notes } = context;
  const { size: fileBytes, mtimeMs } = await handle.stat();
  const stored = await files.readIndex(segment);
  // An index that covers more than there is belongs to a segment that was cut short: only the segment itself can tell.
  const index = stored && stored.covered <= fileBytes ? stored : new SegmentIndex();
  const scan = await scanSegment((position, length) => readExactly(handle, position, length), {
    from: index.covered,
    fileBytes,
    tag: segment.tag,
    checkBodies: true,
  });
  for (const entry of scan.entries) index.add(entry);
  // Records of the first version have no time: not younger than the last change of their segment.
  const fallback = Math.ceil(mtimeMs / 1000);
  for (const entry of index.entries()) {
    catalog.apply(segment, { ...entry, usedAt: entry.usedAt || fallback });
    if (entry.kind === 'used' || entry.kind === 'unwanted') notes.push(entry);
  }
  for (const gap of scan.damaged)
    logger.error({ segment: files.path(segment), ...gap }, 'skipped damaged bytes in a segment');
  if (scan.end < fileBytes) {
    logger.warn({ segment: files.path(segment), bytes: fileBytes - scan.end }, 'cut off the torn tail of a segment');
    await handle.truncate(scan.end);
  }
  // What was read may never have been synced: it must be before anybody relies on it.
  if (index.covered < scan.end || scan.end < fileBytes) await handle.sync();
  segment.bytes = scan.end;
  if (index.covered !== scan.end || stored !== index) {
    index.covered = scan.end;
    await files.writeIndex(segment, index);
  }
  return index;
}

/**
 * After a crash: a name whose file is gone is forgotten; a file without a name is hashed and taken in when its bytes
 * match, removed otherwise. Such files are bodies whose record was not yet durable.
 */
export async function reconcileFiles(context: RecoveryContext): Promise<void> {
  const { catalog, layout, logger } = context;
  const present = new Map<string, Set<string>>();
  try {
    for (const directory of await readdir(layout.files)) {
      if (!/^[0-9a-f]{2}$/.test(directory)) continue;
      const names = (await readdir(join(layout.files, directory))).filter(isBlobName);
      present.set(directory, new Set(names));
      for (const name of names) {
        if (!catalog.index.get(name)) await adopt(context, name, join(layout.files, directory, name));
      }
    }
    for (const name of [...catalog.index.names()]) {
      if (catalog.index.get(name)?.place !== 'file' || present.get(name.slice(0, 2))?.has(name)) continue;
      catalog.forget(name);
      // Durable, or the next open in order would believe the old record.
      await context.appender.append({ header: deletedHeader(name) });
      logger.warn({ blob: name }, 'the file of a blob is gone');
    }
  } catch (error) {
    throw storageError(error, 'check the files in', layout.files);
  }
}

async function adopt(context: RecoveryContext, name: string, path: string): Promise<void> {
  const { appender, catalog, hashes, logger } = context;
  const handle = await open(path, 'r');
  const job = hashes.start(['sha1', 'sha256', 'sha512']);
  try {
    const { size } = await handle.stat();
    for (let at = 0; at < size; ) {
      const block = hashes.take();
      const { bytesRead } = await handle.read(Buffer.from(block), 0, blockBytes, at);
      if (bytesRead === 0) break;
      await job.update(block, bytesRead);
      at += bytesRead;
    }
    const { mtimeMs } = await handle.stat();
    const [sha1, sha256, sha512] = (await job.digest()) as [string, string, string];
    if (sha256 !== name) {
      logger.warn({ blob: name }, 'removed an unnamed file whose bytes do not match');
      await rm(path, { force: true });
      return;
    }
    await appender.append({
      header: { kind: 'file', size, digests: { sha1, sha256, sha512 }, usedAt: Math.ceil(mtimeMs / 1000) },
      placed: (segment, entry) => catalog.apply(segment, entry),
    });
  } finally {
    job.drop();
    await handle.close();
  }
}

/** Whether there is a directory to write to at all, told early and clearly. */
export async function checkDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((error) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw storageError(error, 'use the blob directory', path);
  });
  if (found && !found.isDirectory()) {
    throw storageError(
      Object.assign(new Error('not a directory'), { code: 'ENOTDIR' }),
      'use the blob directory',
      path,
    );
  }
}
