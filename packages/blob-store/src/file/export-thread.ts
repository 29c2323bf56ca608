import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { closedError } from '../errors.js';

/** One blob to make a file of. */
export interface ExportOrder {
  readonly name: string;
  /** Its own file, or the segment that it stands in. */
  readonly from: string;
  /** Of its body in the segment; without, the file is linked. */
  readonly offset?: number | undefined;
  readonly size: number;
  readonly to: string;
}

/** What the thread is asked. */
export interface ExportBatch {
  readonly id: number;
  readonly orders: readonly ExportOrder[];
}

/** What it answers: positions of orders of which nothing was written. */
export interface ExportOutcome {
  readonly id: number;
  readonly failed: readonly number[];
}

interface Waiting {
  readonly orders: readonly ExportOrder[];
  resolve(failed: readonly number[]): void;
}

/** How long the thread is kept for more. */
const idleMs = 5_000;

/**
 * Makes files of many blobs in a thread: a dozen short calls of the system for each, which as promises cost the main thread more
 * than the work itself. Started when first needed.
 */
export class ExportThread {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #nextId = 1;
  #isClosed = false;

  /** @returns positions of orders that failed, whyever; nothing is left at their paths unless it was there before */
  run(orders: readonly ExportOrder[]): Promise<readonly number[]> {
    if (this.#isClosed) return Promise.reject(closedError());
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const id = this.#nextId++;
    return new Promise((resolve) => {
      // Referenced only while somebody waits, so that an idle store does not keep the process alive.
      if (this.#waiting.size === 0) worker.ref();
      this.#waiting.set(id, { orders, resolve });
      worker.postMessage({ id, orders } satisfies ExportBatch);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#end();
  }

  #start(): Worker {
    // The worker lies beside this module under the same extension: export-worker.js in dist, export-worker.ts in src.
    const file = new URL(`./export-worker${extname(new URL(import.meta.url).pathname)}`, import.meta.url);
    const worker = new Worker(file, { execArgv: [], env: {}, name: 'waybill-export' });
    worker.on('message', ({ id, failed }: ExportOutcome) => this.#settle(id, failed));
    worker.on('error', () => this.#lose(worker));
    worker.on('exit', () => this.#lose(worker));
    return worker;
  }

  #settle(id: number, failed?: readonly number[]): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    waiting.resolve(failed ?? waiting.orders.map((_, at) => at));
    if (this.#waiting.size > 0) return;
    this.#worker?.unref();
    this.#idle = setTimeout(() => void this.#end(), idleMs).unref();
  }

  /** What it was doing is left to whoever asked. */
  #lose(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const id of [...this.#waiting.keys()]) this.#settle(id);
    clearTimeout(this.#idle);
  }

  /** Forgotten once it is idle: what is asked while it ends is for the next one. */
  async #end(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    if (this.#waiting.size === 0) this.#worker = undefined;
    await worker?.terminate();
  }
}
