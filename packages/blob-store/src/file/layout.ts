import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BlobStoreError, storageError, systemCode } from '../errors.js';

/** Written to `format`; a store of another format is left alone. */
const format = 'waybill-blobs 2\n';
/** One slot only, and records without a time: read as it is. */
const firstFormat = 'waybill-blobs 1\n';

/** Paths of one slot of a blob directory. The first slot is the directory itself, further ones lie in `slots/<number>`. */
export interface Layout {
  readonly slot: number;
  /** The blob directory. */
  readonly root: string;
  /** Where this slot lies. */
  readonly dir: string;
  readonly lock: string;
  readonly format: string;
  /** Present only between an orderly close and the next open. */
  readonly clean: string;
  /** Bodies on their way in; emptied at open. */
  readonly temporary: string;
  /** `<nn>.seg` and `<nn>.idx`. */
  readonly packs: string;
  /** `<first two digits>/<sha256>`. */
  readonly files: string;
}

export function layoutOf(root: string, slot = 0): Layout {
  const dir = slot === 0 ? root : join(slotsDirectory(root), String(slot));
  return {
    slot,
    root,
    dir,
    lock: join(dir, 'lock'),
    format: join(root, 'format'),
    clean: join(dir, 'clean'),
    temporary: join(dir, 'tmp'),
    packs: join(dir, 'packs'),
    files: join(dir, 'files'),
  };
}

/** Where all slots but the first lie. */
export function slotsDirectory(root: string): string {
  return join(root, 'slots');
}

/** Where a body with a file of its own lies. */
export function filePath(layout: Layout, name: string): string {
  return join(layout.files, name.slice(0, 2), name);
}

export function isBlobName(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

/**
 * Makes what is missing.
 * @throws BlobStoreError BLOB_STORAGE_FAILED, BLOB_STORAGE_FULL
 */
export async function prepareDirectories(layout: Layout): Promise<void> {
  for (const path of [layout.dir, layout.temporary, layout.packs, layout.files]) {
    try {
      const first = await mkdir(path, { recursive: true, mode: 0o700 });
      // A new directory is durable once its parent is.
      for (let made = path; first && made.length >= first.length; made = dirname(made))
        await syncDirectory(dirname(made));
    } catch (error) {
      throw storageError(error, 'create the blob directory', path);
    }
  }
}

/** Refuses a directory of another format. Call with the lock of a slot held. */
export async function checkFormat(layout: Layout): Promise<void> {
  try {
    const found = await readFile(layout.format, 'utf8').catch((error) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined || found === '' || found === firstFormat) {
      // Processes of other slots may write the same file.
      await writeAtomically(layout.format, Buffer.from(format), join(layout.temporary, 'format'));
    } else if (found !== format) {
      throw new BlobStoreError(
        'BLOB_STORAGE_FAILED',
        `${layout.root} holds blobs of format ${JSON.stringify(found.slice(0, 40).trim())}, wanted ${JSON.stringify(format.trim())}`,
        { hint: 'use the version of Waybill that wrote it, or another directory' },
      );
    }
  } catch (error) {
    throw storageError(error, 'write to the blob directory', layout.root);
  }
}

const asideSuffix = '.gone';

/** Where a file lies while it is found out whether anybody still wants it. */
export function asidePath(layout: Layout, name: string): string {
  return join(layout.temporary, `${name}${asideSuffix}`);
}

/** Removes bodies that never became blobs, and puts back those whose removal was not decided. */
export async function clearTemporary(layout: Layout): Promise<void> {
  try {
    for (const name of await readdir(layout.temporary)) {
      const path = join(layout.temporary, name);
      const blob = name.slice(0, -asideSuffix.length);
      const isAside = name.endsWith(asideSuffix) && isBlobName(blob);
      if (isAside) await rename(path, filePath(layout, blob));
      else await rm(path, { force: true });
    }
    for (const name of await readdir(layout.packs)) {
      if (name.endsWith('.tmp')) await rm(join(layout.packs, name), { force: true });
    }
  } catch (error) {
    throw storageError(error, 'remove temporary files in', layout.dir);
  }
}

/** Whether the last user of the directory closed it in order; forgets it, durably. */
export async function takeCleanMark(layout: Layout): Promise<boolean> {
  try {
    await rm(layout.clean);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw storageError(error, 'remove', layout.clean);
  }
  await syncDirectory(layout.dir);
  return true;
}

export async function leaveCleanMark(layout: Layout): Promise<void> {
  await writeFile(layout.clean, '', { mode: 0o600 });
}

/** Makes names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    await handle.sync();
  } catch (error) {
    throw storageError(error, 'make durable', path);
  } finally {
    await handle?.close();
  }
}

/** Replaces a file as a whole, durably. @param temporary on the same file system */
export async function writeAtomically(path: string, bytes: Uint8Array, temporary = `${path}.tmp`): Promise<void> {
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
    await handle.close();
    await rename(temporary, path);
  } catch (error) {
    await handle.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}
