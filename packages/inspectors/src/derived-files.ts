import { createHash, hash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@waybill/contracts';

export interface DerivedFilesOptions {
  /** Directory of its own; made when absent. May be shared by processes and emptied at any time. */
  readonly dir: string;
  /** Bytes of all files; the ones not used for longest go. */
  readonly maxBytes: number;
  readonly logger?: Logger | undefined;
}

/** Pieces of bytes under a key, for as long as there is room. */
export interface DerivedFiles {
  /** undefined when there is none, or none that is whole. */
  read(key: string): Promise<Uint8Array | undefined>;
  /** Never rejects: what cannot be written is made again. */
  write(key: string, bytes: Uint8Array): Promise<void>;
}

const checksumBytes = 32;
const temporary = '.part';
/** On its way for so long that nobody is at it any more, even where its process cannot be asked for. */
const staleMs = 3_600_000;

/**
 * Keeps derived values as files: `<digest of the key>`, holding a sha256 over key and bytes, then the bytes. A torn or changed
 * file, or one under another's name, is none. The directory is part of the spool, and whoever can write there could write
 * anything else of it too.
 */
export function createDerivedFiles({ dir, maxBytes, logger = silentLogger }: DerivedFilesOptions): DerivedFiles {
  let ready: Promise<unknown> | undefined;
  /** Bytes written since the directory was last looked through. */
  let written = Number.POSITIVE_INFINITY;
  let isFailing = false;
  const pathOf = (key: string) => join(dir, hash('sha256', key));

  async function write(key: string, bytes: Uint8Array): Promise<void> {
    ready ??= mkdir(dir, { recursive: true, mode: 0o700 });
    await ready;
    const path = pathOf(key);
    const part = `${path}.${process.pid}-${randomUUID()}${temporary}`;
    try {
      await writeFile(part, [checksum(key, bytes), bytes], { mode: 0o600, flag: 'wx' });
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
    written += bytes.byteLength;
    if (written > maxBytes / 8) await prune();
  }

  async function prune(): Promise<void> {
    written = 0;
    const files: { readonly path: string; readonly size: number; readonly usedMs: number }[] = [];
    for (const name of await readdir(dir)) {
      const path = join(dir, name);
      const found = await stat(path).catch(() => undefined);
      if (!found) continue;
      if (!name.endsWith(temporary)) files.push({ path, size: found.size, usedMs: found.mtimeMs });
      else if (Date.now() - found.mtimeMs > staleMs || !isRunning(writerOf(name))) await rm(path, { force: true });
    }
    let total = files.reduce((sum, { size }) => sum + size, 0);
    for (const { path, size } of files.sort((a, b) => a.usedMs - b.usedMs)) {
      if (total <= maxBytes) return;
      await rm(path, { force: true });
      total -= size;
    }
  }

  return {
    async read(key) {
      const path = pathOf(key);
      const file = await readFile(path).catch(() => undefined);
      if (!file || file.length < checksumBytes) return undefined;
      // Begins at a multiple of eight, as columns of numbers need it.
      const bytes = file.subarray(checksumBytes);
      if (!checksum(key, bytes).equals(file.subarray(0, checksumBytes))) {
        logger.warn({ file: path }, 'a derived file is damaged and is made again');
        await rm(path, { force: true });
        return undefined;
      }
      const now = new Date();
      await utimes(path, now, now).catch(() => {});
      return bytes;
    },
    async write(key, bytes) {
      try {
        await write(key, bytes);
        isFailing = false;
      } catch (error) {
        ready = undefined;
        if (!isFailing) logger.warn({ error: String(error) }, 'what was derived from indexes cannot be kept on disk');
        isFailing = true;
      }
    },
  };
}

/** The process that a file on its way is named after. */
function writerOf(name: string): number {
  return Number(/\.(\d+)-[^.]*\.part$/.exec(name)?.[1] ?? process.pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function checksum(key: string, bytes: Uint8Array): Buffer {
  return createHash('sha256').update(key).update('\0').update(bytes).digest();
}
