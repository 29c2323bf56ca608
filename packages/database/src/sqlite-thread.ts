import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BoundStatement } from './database.js';
import { closedError, DatabaseError } from './errors.js';

type Envelope<Request> = Request & { readonly id: number };

/** Messages to the thread. `together` is a transaction; `operation` calls one that the module of operations has. */
export type SqliteRequest = Envelope<
  | { readonly type: 'query'; readonly sql: string; readonly params: readonly unknown[] }
  | { readonly type: 'together'; readonly statements: readonly BoundStatement[] }
  | { readonly type: 'operation'; readonly name: string; readonly argument: unknown }
  | { readonly type: 'close' }
>;

/** What operations in the thread are given. */
export interface SqliteConnection {
  /** Rows as arrays; statements are prepared once. */
  query(sql: string, params: readonly unknown[]): unknown[][];
  /** Runs a statement that gives no rows, with parameters as SQLite takes them: no buffer among them. */
  run(sql: string, params: readonly unknown[]): void;
  /** All or nothing. */
  inTransaction(work: () => unknown[][]): unknown[][];
}

/** What a module of operations exports as `operations`: functions by name, each with one argument that can be cloned. */
export type SqliteOperations = (
  connection: SqliteConnection,
) => Readonly<Record<string, (argument: never) => unknown[][]>>;

/** How a thread is started. */
export interface SqliteThreadOptions {
  /** A module that runs beside the database. It is loaded as it lies there: it may import types only. */
  readonly operations?: URL | undefined;
}

/** What the thread is started with. */
export interface SqliteThreadData {
  readonly path: string;
  readonly operations?: string | undefined;
}

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

  constructor(path: string, { operations }: SqliteThreadOptions = {}) {
    const workerData: SqliteThreadData = { path, operations: operations?.href };
    // The worker lies beside this module as source, and beside the bundle in dist.
    const file = new URL(`./sqlite-worker${extname(new URL(import.meta.url).pathname)}`, import.meta.url);
    this.#worker = new Worker(file, { execArgv: [], env: {}, name: 'waybill-sqlite', workerData });
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

  /** Calls an operation of the thread's module. */
  operation(name: string, argument: unknown): Promise<unknown[][]> {
    return this.#ask((id) => ({ id, type: 'operation', name, argument }));
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
    this.#failure ??= new DatabaseError(
      'STORE_FAILED',
      `the database thread failed: ${cause instanceof Error ? cause.message : cause}`,
      {
        hint: 'restart the program; what was written is kept',
        cause,
      },
    );
    for (const [id, waiting] of [...this.#waiting]) {
      this.#forget(id);
      waiting.reject(this.#failure);
    }
  }
}
