import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BodyDigests } from '@waybill/contracts';
import { storageError } from '../errors.js';
import { blockBytes, type HashJob, type HashPool } from './hash-pool.js';

/** Blocks of one body that may wait for the disk or the hash thread: 2 MiB. */
const blocksUnderway = 4;
/** So much is written before the disk is told to begin: what is left to sync at the end delays the last byte. */
const syncedAtOnce = 32 * 1024 * 1024;

/** A finished body in a temporary file, not yet durable and not yet named. */
export interface LargeBodyResult {
  readonly path: string;
  readonly handle: FileHandle;
  readonly digests: BodyDigests;
}

/**
 * A body that goes to a temporary file. Chunks are copied into blocks; each block is written, then handed to the hash
 * thread. `push` waits when too many blocks are underway.
 */
export class LargeBody {
  readonly #path: string;
  readonly #hashes: HashPool;
  readonly #algorithms: readonly string[];
  #handle: FileHandle | undefined;
  #job: HashJob | undefined;
  #block: ArrayBuffer | undefined;
  #filled = 0;
  #position = 0;
  #synced = 0;
  #syncing: Promise<void> | undefined;
  #underway = 0;
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;
  #ended = false;
  #waiting: (() => void)[] = [];

  /** @param options.sha512 whether to compute that as well */
  constructor(directory: string, hashes: HashPool, { sha512 }: { readonly sha512: boolean }) {
    this.#path = join(directory, randomUUID());
    this.#hashes = hashes;
    this.#algorithms = sha512 ? ['sha1', 'sha256', 'sha512'] : ['sha1', 'sha256'];
  }

  /** Takes the chunk at once (it may be reused then); resolves when there is room for more. */
  async push(chunk: Uint8Array): Promise<void> {
    this.#check();
    for (let at = 0; at < chunk.length; ) {
      this.#block ??= this.#hashes.take();
      const part = chunk.subarray(at, at + blockBytes - this.#filled);
      new Uint8Array(this.#block).set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === blockBytes) this.#dispatch();
    }
    while (this.#underway >= blocksUnderway && !this.#failure) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#check();
  }

  async finish(): Promise<LargeBodyResult> {
    this.#check();
    if (this.#filled > 0 || this.#position === 0) this.#dispatch();
    await this.#writing;
    await this.#syncing;
    this.#check();
    const [sha1, sha256, sha512] = (await (this.#job as HashJob).digest()) as [string, string, string | undefined];
    this.#ended = true;
    const digests = { sha1, sha256, ...(sha512 !== undefined && { sha512 }) };
    return { path: this.#path, handle: this.#handle as FileHandle, digests };
  }

  /** Removes the file; idempotent, and without effect after {@link finish}. */
  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#writing;
    await this.#syncing;
    this.#job?.drop();
    if (this.#block) this.#hashes.give(this.#block);
    await this.#handle?.close();
    await rm(this.#path, { force: true });
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
  }

  #dispatch(): void {
    const block = this.#block ?? this.#hashes.take();
    const length = this.#filled;
    this.#block = undefined;
    this.#filled = 0;
    this.#underway++;
    this.#writing = this.#writing.then(() => this.#store(block, length));
  }

  /** Never rejects: the failure is kept for the next call. */
  async #store(block: ArrayBuffer, length: number): Promise<void> {
    try {
      if (this.#failure || this.#ended) return this.#done();
      this.#job ??= this.#hashes.start(this.#algorithms);
      this.#handle ??= await open(this.#path, 'wx', 0o600);
      await writeFully(this.#handle, Buffer.from(block, 0, length), this.#position);
      this.#position += length;
      if (this.#position - this.#synced >= syncedAtOnce) this.#syncAhead(this.#handle);
      this.#job.update(block, length).then(
        () => this.#done(),
        (error) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(storageError(error, 'write', this.#path));
    }
  }

  /** The system reports a failed sync only once: it is the body's failure, or the last sync would hide it. fsync(2) */
  #syncAhead(handle: FileHandle): void {
    if (this.#syncing) return;
    this.#synced = this.#position;
    this.#syncing = handle
      .datasync()
      .catch((error) => {
        this.#failure ??= storageError(error, 'make durable', this.#path);
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#done();
  }

  #done(): void {
    this.#underway--;
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

async function writeFully(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await handle.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}
