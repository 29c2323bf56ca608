import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BoundStatement } from './driver.js';
import { closedError, SessionStoreError } from './errors.js';
import type { RecordBatch } from './record-batch.js';

type Envelope<Request> = Request & { readonly id: number };

/**
 * Messages to the thread. `together`, `record` and `index` are a transaction each. `index` enters some more records in the index of
 * downloads, unless no more than `leave` are missing, and answers with how many are.
 */
export type SqliteRequest = Envelope<
  | { readonly type: 'query'; readonly sql: string; readonly params: readonly unknown[] }
  | { readonly type: 'together'; readonly statements: readonly BoundStatement[] }
  | { readonly type: 'record'; readonly batch: RecordBatch }
  | { readonly type: 'index'; readonly leave: number }
  | { readonly type: 'close' }
>;

/** Messages from the thread; `id` 0 says that the database is open. */
export interface SqliteReply {
  readonly id: number;
  readonly rows?: unknown[][];
  readonly error?: { readonly code: string; readonly message: string };
}

/** An error of SQLite, with its result code. */
export class SqliteFailure extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'SqliteFailure';
    this.code = code;
  }
}

interface Waiting {
  resolve(rows: unknown[][]): void;
  reject(error: unknown): void;
}

/**
 * SQLite in a thread of its own: its calls block (an fsync takes milliseconds), and the main thread has bodies to move.
 * One connection, so requests are served in order.
 */
export class SqliteThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #opened: Promise<unknown>;
  #nextId = 1;
  #failure: unknown;
  #closing: Promise<void> | undefined;

  constructor(path: string) {
    // The worker lies beside this module as source, and beside the bundle in dist.
    const file = new URL(`./sqlite-worker${extname(new URL(import.meta.url).pathname)}`, import.meta.url);
    this.#worker = new Worker(file, { execArgv: [], env: {}, name: 'waybill-sqlite', workerData: { path } });
    this.#opened = new Promise<unknown[][]>((resolve, reject) => this.#waiting.set(0, { resolve, reject }));
    this.#worker.on('message', (reply: SqliteReply) => this.#receive(reply));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the thread ended')));
  }

  async opened(): Promise<void> {
    await this.#opened;
  }

  together(statements: readonly BoundStatement[]): Promise<unknown[][]> {
    return this.#ask((id) => ({ id, type: 'together', statements }));
  }

  query(sql: string, params: readonly unknown[] = []): Promise<unknown[][]> {
    return this.#ask((id) => ({ id, type: 'query', sql, params }));
  }

  async record(batch: RecordBatch): Promise<void> {
    await this.#ask((id) => ({ id, type: 'record', batch }));
  }

  /** @returns how many are not entered yet: `leave` at most when there is nothing more to do */
  async index(leave: number): Promise<number> {
    const [row] = await this.#ask((id) => ({ id, type: 'index', leave }));
    return Number(row?.[0]);
  }

  /** Ends the thread after what was asked before; idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#failure) return;
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    await this.#ask((id) => ({ id, type: 'close' }));
    this.#failure = closedError();
    // The thread is about to end: without this the process may end before it, and before whoever waits for this.
    this.#worker.ref();
    await ended;
  }

  #ask(request: (id: number) => SqliteRequest): Promise<unknown[][]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      // Referenced only while somebody waits, so that an idle store does not keep the process alive.
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage(request(id));
    });
  }

  #receive(reply: SqliteReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#forget(reply.id);
    if (reply.error) waiting?.reject(new SqliteFailure(reply.error.code, reply.error.message));
    else waiting?.resolve(reply.rows ?? []);
  }

  #forget(id: number): void {
    if (this.#waiting.delete(id) && this.#waiting.size === 0) this.#worker.unref();
  }

  #fail(cause: unknown): void {
    this.#failure ??= new SessionStoreError(
      'STORE_FAILED',
      `the database thread failed: ${cause instanceof Error ? cause.message : cause}`,
      {
        hint: 'restart the program; what was recorded is kept',
        cause,
      },
    );
    for (const [id, waiting] of [...this.#waiting]) {
      this.#forget(id);
      waiting.reject(this.#failure);
    }
  }
}
