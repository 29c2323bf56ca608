import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

/** A file to write. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** What the thread is asked. */
export type FileRequest = { readonly id: number } & FileTask;

type FileTask =
  | { readonly type: 'write'; readonly files: readonly TextFile[]; readonly mode: number }
  | { readonly type: 'remove'; readonly path: string };

/** What it answers, in the order of the requests. */
export interface FileReply {
  readonly id: number;
  readonly error?: { readonly message: string; readonly code: string | undefined };
}

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

/**
 * Writes and removes very many files in a thread: as promises these calls cost the main thread more than the work itself, and
 * removing a directory of 100 000 names stops it for half a second. Started when first needed, and ended when nothing is left to do.
 */
export class FileThread {
  readonly #idleMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #nextId = 1;

  /** @param idleMs how long the thread is kept for more */
  constructor(idleMs = 5_000) {
    this.#idleMs = idleMs;
  }

  /** Writes new files. @throws the system's error; some of them may be there then */
  write(files: readonly TextFile[], mode: number): Promise<void> {
    return this.#ask({ type: 'write', files, mode });
  }

  /** Removes a file or a directory with all that is in it; absent is fine. @throws the system's error */
  remove(path: string): Promise<void> {
    return this.#ask({ type: 'remove', path });
  }

  #ask(task: FileTask): Promise<void> {
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      // Referenced only while somebody waits.
      if (this.#waiting.size === 0) worker.ref();
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, ...task } satisfies FileRequest);
    });
  }

  #start(): Worker {
    // The worker lies beside this module as source, and beside the bundle in dist.
    const file = new URL(`./file-worker${extname(new URL(import.meta.url).pathname)}`, import.meta.url);
    const worker = new Worker(file, { execArgv: [], env: {}, name: 'waybill-files' });
    worker.on('message', ({ id, error }: FileReply) => {
      this.#settle(id, error && Object.assign(new Error(error.message), { code: error.code }));
    });
    worker.on('error', (error) => this.#lose(worker, error));
    worker.on('exit', () => this.#lose(worker, new Error('the thread that writes files ended')));
    return worker;
  }

  #settle(id: number, error: Error | undefined): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(error);
    else waiting?.resolve();
    if (this.#waiting.size > 0) return;
    this.#worker?.unref();
    this.#idle = setTimeout(() => void this.#end(), this.#idleMs).unref();
  }

  /** Forgotten first: what is asked while it ends is for the next one. */
  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #lose(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const id of [...this.#waiting.keys()]) this.#settle(id, error);
    clearTimeout(this.#idle);
  }
}
