import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BlobStoreError, storageError, systemCode } from './errors.js';

/** Written to `format`; a store of another format is left alone. */
const format = 'waybill-blobs 1\n';

/** Paths inside a blob directory. */
export interface Layout {
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

export function layoutOf(dir: string): Layout {
  return {
    dir,
    lock: join(dir, 'lock'),
    format: join(dir, 'format'),
    clean: join(dir, 'clean'),
    temporary: join(dir, 'tmp'),
    packs: join(dir, 'packs'),
    files: join(dir, 'files'),
  };
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

/** Refuses a directory of another format. Call with the lock held. */
export async function checkFormat(layout: Layout): Promise<void> {
  try {
    const found = await readFile(layout.format, 'utf8').catch((error) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined || found === '') {
      await writeAtomically(layout.format, Buffer.from(format), layout.dir);
    } else if (found !== format) {
      throw new BlobStoreError(
        'BLOB_STORAGE_FAILED',
        `${layout.dir} holds blobs of format ${JSON.stringify(found.slice(0, 40).trim())}, wanted ${JSON.stringify(format.trim())}`,
        { hint: 'use the version of Waybill that wrote it, or another directory' },
      );
    }
  } catch (error) {
    throw storageError(error, 'write to the blob directory', layout.dir);
  }
}

/** Removes bodies that never became blobs. */
export async function clearTemporary(layout: Layout): Promise<void> {
  try {
    for (const name of await readdir(layout.temporary)) await rm(join(layout.temporary, name), { force: true });
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

/** Replaces a file as a whole, durably. */
export async function writeAtomically(path: string, bytes: Uint8Array, directory: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(directory);
}
