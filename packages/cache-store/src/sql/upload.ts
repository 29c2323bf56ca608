import type { BlobWriter } from '@waybill/contracts';
import type { CacheBlob, CacheUpload, CacheUploadOptions } from '../cache-store.js';
import { CacheStoreError, closedError, mismatchError, tooLargeError } from '../errors.js';
import { emptySha256 } from '../rules.js';
import { addBlob, doom } from './blob-rows.js';
import type { StoreContext } from './context.js';
import type { Limits, Room } from './room.js';

/** Room that is asked for at once when nobody said how much will come. */
const step = 4 * 1024 * 1024;

/** Where an upload goes. */
export interface UploadScene {
  readonly context: StoreContext;
  readonly namespace: string;
  readonly limits: Limits;
  readonly room: Room;
  readonly options: CacheUploadOptions;
  /** Called when the namespace may have grown, with the bytes that it has now. */
  onGrown(bytes: number): void;
  /** Evicts so that `bytes` more go in, as far as it may. */
  makeRoom(bytes: number): Promise<void>;
}

/** A body on its way into the blob store, which verifies nothing by itself: size and digest are compared here. */
export class SqlUpload implements CacheUpload {
  size = 0;
  readonly #scene: UploadScene;
  readonly #writer: BlobWriter;
  #reserved: number;
  #failure: unknown;
  #isOver = false;

  /** @param reserved room that it was given already */
  constructor(scene: UploadScene, reserved: number) {
    this.#scene = scene;
    this.#reserved = reserved;
    const { size } = scene.options;
    this.#writer = scene.context.blobs.create(size === undefined ? {} : { sizeHint: size });
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#isOver) throw closedError();
    if (this.#failure) throw this.#failure;
    try {
      this.size += chunk.length;
      await this.#checkSize();
      await this.#writer.write(chunk);
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  async commit(): Promise<CacheBlob> {
    if (this.#isOver) throw closedError();
    this.#isOver = true;
    try {
      if (this.#failure) throw this.#failure;
      return await this.#commit();
    } catch (error) {
      await this.#writer.abort();
      throw error;
    } finally {
      this.#release();
    }
  }

  async abort(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    try {
      await this.#writer.abort();
    } finally {
      this.#release();
    }
  }

  async #checkSize(): Promise<void> {
    const { options, limits, namespace, room } = this.#scene;
    if (options.size !== undefined && this.size > options.size) {
      throw mismatchError(`at least ${this.size} bytes came`, `${options.size}`);
    }
    if (this.size > limits.body) throw tooLargeError(this.size, limits.body);
    if (this.size <= this.#reserved) return;
    const ahead = Math.min(step, Math.floor(limits.high / 64));
    const more = Math.min(Math.max(ahead, this.size - this.#reserved), limits.body - this.#reserved);
    await room.reserve(namespace, more, limits);
    this.#reserved += more;
  }

  async #commit(): Promise<CacheBlob> {
    const { context, options } = this.#scene;
    if (options.size !== undefined && options.size !== this.size) {
      throw mismatchError(`${this.size} bytes came`, `${options.size}`);
    }
    if (this.size === 0) return await this.#commitNothing();
    const { size, digests } = await this.#writer.commit();
    const blob = { sha256: digests.sha256, size };
    if (options.sha256 !== undefined && options.sha256 !== blob.sha256) {
      await this.#forget(blob.sha256);
      throw mismatchError(`the bytes have sha256 ${blob.sha256}`, options.sha256);
    }
    // First the bytes are durable, then somebody can know of them.
    await context.blobs.flush();
    this.#scene.onGrown(await this.#enter(blob));
    return blob;
  }

  async #commitNothing(): Promise<CacheBlob> {
    const { sha256 } = this.#scene.options;
    await this.#writer.abort();
    if (sha256 !== undefined && sha256 !== emptySha256) throw mismatchError('no bytes came', sha256);
    return { sha256: emptySha256, size: 0 };
  }

  async #enter(blob: CacheBlob): Promise<number> {
    try {
      return await this.#add(blob);
    } catch (error) {
      if (!(error instanceof CacheStoreError && error.code === 'CACHE_FULL')) throw error;
      // Other processes may have filled the room meanwhile.
      await this.#scene.makeRoom(blob.size);
      return await this.#add(blob).catch(async (again: unknown) => {
        await this.#forget(blob.sha256);
        throw again;
      });
    }
  }

  async #add(blob: CacheBlob): Promise<number> {
    const { context, namespace, limits } = this.#scene;
    return await context.writes.run({
      namespaces: [namespace],
      run: async (transaction) => {
        const held = transaction.held(namespace);
        await addBlob(transaction, held, blob, { leaseMs: context.leaseMs, hardLimitBytes: limits.hard });
        return held.bytes;
      },
    });
  }

  /** The bytes are in the blob store, where another name may need them: the sweep finds out. */
  async #forget(sha256: string): Promise<void> {
    await this.#scene.context.writes.run({ namespaces: [], run: (transaction) => doom(transaction, [sha256]) });
  }

  #release(): void {
    this.#scene.room.release(this.#scene.namespace, this.#reserved);
    this.#reserved = 0;
  }
}
