import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { BlobStoreError, closedError } from '../errors.js';

/** Messages to the hash thread. `block` is transferred, not shared. */
export type HashRequest =
  | { readonly type: 'start'; readonly id: number; readonly algorithms: readonly string[] }
  | { readonly type: 'update'; readonly id: number; readonly block: ArrayBuffer; readonly length: number }
  | { readonly type: 'digest'; readonly id: number }
  | { readonly type: 'drop'; readonly id: number };

/** Messages from the hash thread; blocks come back for reuse, in the order they were sent. */
export type HashReply =
  | { readonly type: 'block'; readonly id: number; readonly block: ArrayBuffer }
  | { readonly type: 'digests'; readonly id: number; readonly digests: readonly string[] };

/** Bytes of a block: what is written and hashed at once. Each hand-over between threads costs as much as copying 100 KiB. */
export const blockBytes = 512 * 1024;
const keptBlocks = 16;

/** One body being hashed. */
export interface HashJob {
  /** Hands the block over; resolves when it is hashed (and the block is back in the pool). */
  update(block: ArrayBuffer, length: number): Promise<void>;
  /** Hex digests in the order of the algorithms; ends the job. */
  digest(): Promise<readonly string[]>;
  /** Ends the job without a result; idempotent. */
  drop(): void;
}

/** Hashes large bodies in threads, started when first needed, so that the main thread stays free. */
export class HashPool {
  readonly #threads = new Set<HashThread>();
  readonly #blocks: ArrayBuffer[] = [];
  readonly #limit: number;
  #closed = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A block to fill; give it to {@link HashJob.update} or back with {@link give}. */
  take(): ArrayBuffer {
    return this.#blocks.pop() ?? new ArrayBuffer(blockBytes);
  }

  give(block: ArrayBuffer): void {
    if (this.#blocks.length < keptBlocks && block.byteLength === blockBytes) this.#blocks.push(block);
  }

  start(algorithms: readonly string[]): HashJob {
    if (this.#closed) throw closedError();
    return this.#thread().start(algorithms);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#threads].map((thread) => thread.close()));
  }

  #thread(): HashThread {
    const usable = [...this.#threads].filter((thread) => !thread.failed).sort((a, b) => a.load - b.load);
    const [least] = usable;
    if (least && (least.load === 0 || usable.length >= this.#limit)) return least;
    const thread = new HashThread(
      (block) => this.give(block),
      () => this.#threads.delete(thread),
    );
    this.#threads.add(thread);
    return thread;
  }
}

interface Waiting {
  readonly blocks: { resolve(): void; reject(error: Error): void }[];
  digests?: { resolve(digests: readonly string[]): void; reject(error: Error): void };
}

class HashThread {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Waiting>();
  readonly #give: (block: ArrayBuffer) => void;
  #nextId = 1;
  #failure: Error | undefined;

  constructor(give: (block: ArrayBuffer) => void, onEnd: () => void) {
    this.#give = give;
    // The worker lies beside this module under the same extension: hash-worker.js in dist, hash-worker.ts in src.
    const file = new URL(`./hash-worker${extname(new URL(import.meta.url).pathname)}`, import.meta.url);
    this.#worker = new Worker(file, { execArgv: [], env: {}, name: 'waybill-hash' });
    this.#worker.unref();
    this.#worker.on('message', (reply: HashReply) => this.#receive(reply));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => {
      this.#fail(new Error('the thread ended'));
      onEnd();
    });
  }

  /** Bodies being hashed now. */
  get load(): number {
    return this.#jobs.size;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  start(algorithms: readonly string[]): HashJob {
    if (this.#failure) throw this.#failure;
    const id = this.#nextId++;
    const waiting: Waiting = { blocks: [] };
    // Referenced only while there is work, so that an idle store does not keep the process alive.
    if (this.#jobs.size === 0) this.#worker.ref();
    this.#jobs.set(id, waiting);
    this.#send({ type: 'start', id, algorithms });
    return {
      update: (block, length) => this.#ask(waiting, () => this.#send({ type: 'update', id, block, length }, [block])),
      digest: () => this.#askDigests(waiting, id),
      drop: () => {
        if (!this.#jobs.has(id)) return;
        this.#send({ type: 'drop', id });
        this.#end(id);
        for (const block of waiting.blocks.splice(0)) block.resolve();
      },
    };
  }

  async close(): Promise<void> {
    this.#fail(closedError());
    await this.#worker.terminate();
  }

  #send(request: HashRequest, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  #ask(waiting: Waiting, send: () => void): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      waiting.blocks.push({ resolve, reject });
      send();
    });
  }

  #askDigests(waiting: Waiting, id: number): Promise<readonly string[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      waiting.digests = { resolve, reject };
      this.#send({ type: 'digest', id });
    });
  }

  #receive(reply: HashReply): void {
    const waiting = this.#jobs.get(reply.id);
    if (reply.type === 'block') {
      this.#give(reply.block);
      waiting?.blocks.shift()?.resolve();
      return;
    }
    this.#end(reply.id);
    waiting?.digests?.resolve(reply.digests);
  }

  #end(id: number): void {
    if (this.#jobs.delete(id) && this.#jobs.size === 0) this.#worker.unref();
  }

  #fail(cause: Error): void {
    this.#failure ??=
      cause instanceof BlobStoreError
        ? cause
        : new BlobStoreError('BLOB_STORAGE_FAILED', `the hash thread failed: ${cause.message}`, { cause });
    for (const [id, waiting] of [...this.#jobs]) {
      this.#end(id);
      for (const block of waiting.blocks.splice(0)) block.reject(this.#failure);
      waiting.digests?.reject(this.#failure);
    }
  }
}
