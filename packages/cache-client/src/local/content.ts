import { createHash, type Hash, randomUUID } from 'node:crypto';
import { constants, type FileHandle, lstat, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CacheBlobDocument } from '@waybill/contracts';
import { CacheClientError } from '../errors.js';
import { ifThere, systemCode } from './system-error.js';

const chunkBytes = 1024 * 1024;

/** Bytes by sha256, a file each: `content/ab/ab12…`. A file that carries a final name was whole and right when it got it. */
export interface Content {
  pathOf(sha256: string): string;
  /** Whether it is there with this size; counts as use, so that it is not collected in the next minutes. */
  has(blob: CacheBlobDocument): Promise<boolean>;
  /** Whether it is there and its bytes are right. What is damaged is removed. */
  verify(blob: CacheBlobDocument): Promise<boolean>;
  /** The whole of a small one, verified; undefined when it is not there or is damaged, which removes it. */
  read(blob: CacheBlobDocument, atMost: number): Promise<Buffer | undefined>;
  /** Chunks of it, hashed on the way. @throws CacheClientError CACHE_ARTIFACT_DAMAGED after the last one, or when it is gone */
  chunks(blob: CacheBlobDocument): AsyncIterable<Buffer>;
  put(bytes: Uint8Array): Promise<CacheBlobDocument>;
  /** Copies a file of somebody else's. */
  putFile(path: string): Promise<CacheBlobDocument>;
  writer(): Promise<ContentWriter>;
  remove(sha256: string): Promise<void>;
}

/** Bytes on their way in; exactly one of `commit` and `abort` ends them. */
export interface ContentWriter {
  readonly size: number;
  write(chunk: Uint8Array): Promise<void>;
  /** @throws CacheClientError CACHE_ARTIFACT_DAMAGED when the bytes are not what was expected */
  commit(expected?: CacheBlobDocument): Promise<CacheBlobDocument>;
  abort(): Promise<void>;
}

/** Opens the content below a directory. */
export async function openContent(dir: string): Promise<Content> {
  await mkdir(join(dir, 'tmp'), { recursive: true, mode: 0o700 });
  await mkdir(join(dir, 'content'), { recursive: true, mode: 0o700 });
  return new FileContent(dir);
}

class FileContent implements Content {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  pathOf(sha256: string): string {
    return join(this.#dir, 'content', sha256.slice(0, 2), sha256);
  }

  async has({ sha256, size }: CacheBlobDocument): Promise<boolean> {
    const path = this.pathOf(sha256);
    const found = await ifThere(lstat(path));
    if (!found) return false;
    if (!found.isFile() || found.size !== size) {
      await this.remove(sha256);
      return false;
    }
    // Touched and looked at again: a collection that saw the old time may have removed it between the two.
    return (await ifThere(touch(path).then(() => true))) ?? false;
  }

  async verify(blob: CacheBlobDocument): Promise<boolean> {
    try {
      for await (const _ of this.chunks(blob));
      return true;
    } catch (error) {
      if (error instanceof CacheClientError) return false;
      throw error;
    }
  }

  async read(blob: CacheBlobDocument, atMost: number): Promise<Buffer | undefined> {
    if (blob.size > atMost) return undefined;
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of this.chunks(blob)) chunks.push(Buffer.from(chunk));
    } catch (error) {
      if (error instanceof CacheClientError) return undefined;
      throw error;
    }
    return Buffer.concat(chunks);
  }

  async *chunks({ sha256, size }: CacheBlobDocument): AsyncIterable<Buffer> {
    const handle = await this.#open(sha256);
    const hash = createHash('sha256');
    let taken = 0;
    try {
      for await (const chunk of readAll(handle, size + 1)) {
        taken += chunk.length;
        if (taken > size) break;
        hash.update(chunk);
        yield chunk;
      }
    } finally {
      await handle.close();
    }
    if (taken === size && hash.digest('hex') === sha256) return;
    await this.remove(sha256);
    throw damaged(
      sha256,
      taken === size ? 'its bytes have another digest' : `it has not the ${size} bytes of its name`,
    );
  }

  async #open(sha256: string): Promise<FileHandle> {
    try {
      const handle = await ifThere(open(this.pathOf(sha256), constants.O_RDONLY | constants.O_NOFOLLOW));
      if (handle) return handle;
    } catch (error) {
      if (systemCode(error) !== 'ELOOP') throw error;
      // Somebody put a link where a file was.
      await this.remove(sha256);
    }
    throw damaged(sha256, 'it is not there');
  }

  async put(bytes: Uint8Array): Promise<CacheBlobDocument> {
    const blob = { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length };
    if (await this.has(blob)) return blob;
    const writer = await this.writer();
    return await ending(writer, async () => {
      await writer.write(bytes);
      return await writer.commit(blob);
    });
  }

  async putFile(path: string): Promise<CacheBlobDocument> {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { size } = await handle.stat();
      // A small file is most often one that is here already: look before writing.
      if (size <= chunkBytes) return await this.put(await handle.readFile());
      const writer = await this.writer();
      return await ending(writer, async () => {
        for await (const chunk of readAll(handle, Number.POSITIVE_INFINITY)) await writer.write(chunk);
        return await writer.commit();
      });
    } finally {
      await handle.close();
    }
  }

  async writer(): Promise<ContentWriter> {
    const path = join(this.#dir, 'tmp', randomUUID());
    return new FileWriter(path, await open(path, 'wx', 0o600), (sha256) => this.pathOf(sha256));
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.pathOf(sha256), { force: true });
  }
}

class FileWriter implements ContentWriter {
  size = 0;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #place: (sha256: string) => string;
  readonly #hash: Hash = createHash('sha256');
  #ended = false;

  constructor(path: string, handle: FileHandle, place: (sha256: string) => string) {
    this.#path = path;
    this.#handle = handle;
    this.#place = place;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.size += chunk.length;
    for (let at = 0; at < chunk.length; ) at += (await this.#handle.write(chunk, at)).bytesWritten;
  }

  async commit(expected?: CacheBlobDocument): Promise<CacheBlobDocument> {
    const blob = { sha256: this.#hash.digest('hex'), size: this.size };
    if (expected && (expected.sha256 !== blob.sha256 || expected.size !== blob.size)) {
      throw damaged(expected.sha256, `${blob.size} bytes with sha256 ${blob.sha256} came for it`);
    }
    await this.#handle.datasync();
    await this.#handle.close();
    await renameInto(this.#path, this.#place(blob.sha256));
    this.#ended = true;
    return blob;
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#handle.close().catch(() => undefined);
    await rm(this.#path, { force: true });
  }
}

/** Runs what ends a writer; drops what was written when it fails. */
async function ending<T>(writer: ContentWriter, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await writer.abort();
  }
}

async function* readAll(handle: FileHandle, atMost: number): AsyncIterable<Buffer> {
  const { size } = await handle.stat();
  const length = Math.max(1, Math.min(chunkBytes, size + 1, atMost));
  for (let left = atMost; left > 0; ) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, Math.min(length, left));
    if (bytesRead === 0) return;
    left -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Gives a finished file its name and makes the name durable. */
export async function renameInto(from: string, to: string): Promise<void> {
  const directory = dirname(to);
  try {
    await rename(from, to);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await rename(from, to);
  }
}

/** Notes that a file is in use. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

/** Names, sizes and last uses of all content. */
export async function* listContent(
  dir: string,
): AsyncIterable<{ sha256: string; path: string; size: number; usedMs: number }> {
  for (const fan of (await ifThere(readdir(join(dir, 'content')))) ?? []) {
    for (const sha256 of (await ifThere(readdir(join(dir, 'content', fan)))) ?? []) {
      const path = join(dir, 'content', fan, sha256);
      const found = await ifThere(stat(path));
      if (found?.isFile()) yield { sha256, path, size: found.size, usedMs: found.mtimeMs };
    }
  }
}

function damaged(sha256: string, found: string): CacheClientError {
  return new CacheClientError('CACHE_ARTIFACT_DAMAGED', `blob ${sha256}: ${found}`);
}
