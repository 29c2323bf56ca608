import { hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { ByteRange } from '@waybill/contracts';
import { corruptError, notFoundError, storageError, systemCode } from '../errors.js';
import { spanOf } from '../span.js';
import type { HashJob, HashPool } from './hash-pool.js';

/** Bytes that are read at once: at most a block of the hash thread. */
const readBytes = 256 * 1024;

/**
 * Streams a blob that is a file of its own. A whole read is hashed on the way, large ones in the hash thread, and its last
 * block is held back until the hash is right; a range is not verified, because that would cost a read of the whole.
 * @throws BlobStoreError BLOB_CORRUPT, BLOB_NOT_FOUND, BLOB_STORAGE_FAILED
 */
export async function* readFileBlob(options: {
  readonly path: string;
  readonly name: string;
  readonly size: number;
  readonly range: ByteRange | undefined;
  readonly hashes: HashPool;
}): AsyncGenerator<Buffer> {
  const { path, name, size, hashes } = options;
  const span = spanOf(options.range, size);
  const handle = await openBlob(path, name);
  const check = span.end - span.start === size ? verifier(hashes, size) : undefined;
  try {
    for (let at = span.start; at < span.end; ) {
      const block = await readBlock(handle, at, Math.min(readBytes, span.end - at), name);
      await check?.update(block);
      at += block.length;
      if (at >= span.end && check) await verify(check, name);
      yield block;
    }
    if (size === 0 && check) await verify(check, name);
  } finally {
    check?.drop();
    await handle.close();
  }
}

interface Verifier {
  update(block: Buffer): Promise<void>;
  digest(): Promise<string>;
  drop(): void;
}

async function verify(check: Verifier, name: string): Promise<void> {
  const found = await check.digest();
  if (found !== name) throw corruptError(name, `its bytes hash to ${found}`);
}

/** Small bodies are hashed where they are: a turn of the hash thread takes longer. */
function verifier(hashes: HashPool, size: number): Verifier {
  if (size > readBytes) return threadVerifier(hashes, hashes.start(['sha256']));
  let digest = hash('sha256', '');
  return {
    async update(block) {
      digest = hash('sha256', block);
    },
    digest: async () => digest,
    drop() {},
  };
}

function threadVerifier(hashes: HashPool, job: HashJob): Verifier {
  let before: Promise<void> = Promise.resolve();
  return {
    async update(block) {
      // The reader owns the block it is given, so the thread gets a copy; one block ahead keeps both sides busy.
      await before;
      const copy = hashes.take();
      new Uint8Array(copy).set(block);
      before = job.update(copy, block.length);
      before.catch(() => undefined);
    },
    async digest() {
      await before;
      return (await job.digest())[0] as string;
    },
    drop: () => job.drop(),
  };
}

async function openBlob(path: string, name: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw notFoundError(name);
    throw storageError(error, 'read', path);
  }
}

async function readBlock(handle: FileHandle, position: number, length: number, name: string): Promise<Buffer> {
  const block = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await read(handle, block, filled, position, name);
    if (bytesRead === 0) throw corruptError(name, `its file ends at byte ${position + filled}`);
    filled += bytesRead;
  }
  return block;
}

async function read(handle: FileHandle, block: Buffer, filled: number, position: number, name: string) {
  try {
    return await handle.read(block, filled, block.length - filled, position + filled);
  } catch (error) {
    throw storageError(error, 'read blob', name);
  }
}
