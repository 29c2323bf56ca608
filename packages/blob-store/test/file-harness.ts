import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobStoreHarness } from '../src/conformance.js';
import { createFileBlobStore, type FileBlobStoreOptions } from '../src/index.js';

/** A directory of blobs as the tests see it from outside. */
export interface FileHarness extends BlobStoreHarness {
  readonly dir: string;
}

export async function fileHarness(options: Omit<FileBlobStoreOptions, 'dir'> = {}): Promise<FileHarness> {
  const dir = await mkdtemp(join(tmpdir(), 'waybill-blobs-'));
  return {
    dir,
    smallBytes: options.smallBytes ?? 256 * 1024,
    open: () => createFileBlobStore({ dir, ...options }),
    damage: (sha256) => flipByte(dir, sha256),
    leftovers: () => readdir(join(dir, 'tmp')),
    remove: () => rm(dir, { recursive: true }),
  };
}

/** Flips a bit in the middle of a stored body, wherever it lies. */
export async function flipByte(dir: string, sha256: string): Promise<void> {
  const asFile = join(dir, 'files', sha256.slice(0, 2), sha256);
  const whole = await readFile(asFile).catch(() => undefined);
  if (whole) return await flipAt(asFile, Math.floor(whole.length / 2));
  for (const segment of await segments(dir)) {
    const bytes = await readFile(segment);
    // The last record of a name is the one that counts; its body starts 120 bytes behind the name.
    const at = bytes.lastIndexOf(Buffer.from(sha256, 'hex'));
    if (at < 0) continue;
    const size = bytes.readUIntLE(at - 8, 6);
    return await flipAt(segment, at + 120 + Math.floor(size / 2));
  }
  throw new Error(`no bytes of ${sha256} in ${dir}`);
}

export async function flipAt(path: string, position: number): Promise<void> {
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, position);
  byte[0] = (byte[0] as number) ^ 0x40;
  await handle.write(byte, 0, 1, position);
  await handle.close();
}

/** Segment files, oldest first. */
export async function segments(dir: string): Promise<string[]> {
  const packs = join(dir, 'packs');
  return (await readdir(packs))
    .filter((name) => name.endsWith('.seg'))
    .sort()
    .map((name) => join(packs, name));
}
