import type { Dispatcher } from 'undici';
import { ProxyError } from '../errors.js';
import { decodeRaw } from '../http/headers.js';
import { type LeastPace, Pace } from '../limits/pace.js';

/** Response line and fields as the upstream sent them. */
export interface UpstreamHead {
  readonly status: number;
  readonly statusText: string;
  /** Node's raw list, order, case and duplicates kept. */
  readonly rawHeaders: readonly string[];
}

/** Interim answers (1xx) to one request; a server that sends more never comes to an end. */
const mostInterim = 32;
const endlessInterim = `the upstream sent more than ${mostInterim} interim (1xx) answers and no response`;

/** The body came so slowly that it is as good as none. */
export class SlowBodyError extends Error {
  readonly code = 'EWAYBILL_SLOW';
}

/** Bytes that may wait here before the upstream is told to pause. */
const highWater = 512 * 1024;

/**
 * One response on its way in: undici's callbacks on one side, `take()` on the other, with back-pressure between them.
 * `head` rejects, and so does `take()`, with whatever broke the transfer; a body that was cut short never ends normally.
 */
export class Transfer implements Dispatcher.DispatchHandler {
  readonly head: Promise<UpstreamHead>;
  /** Body bytes so far. */
  received = 0;
  /** Raw list; filled when the body has ended. */
  rawTrailers: readonly string[] = [];
  /** Called once when nothing more will come, however it ended. */
  onOver: (() => void) | undefined;

  #controller: Dispatcher.DispatchController | undefined;
  #resolveHead!: (head: UpstreamHead) => void;
  #rejectHead!: (error: Error) => void;
  #hasHead = false;
  #interim = 0;
  #chunks: Buffer[] = [];
  #waiting = 0;
  #isOver = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #pausedAt: number | undefined;
  readonly #least: LeastPace | undefined;
  #pace: Pace | undefined;

  /** @param least pace of the body, below which it counts as silent */
  constructor(least?: LeastPace) {
    this.#least = least;
    this.head = new Promise((resolve, reject) => {
      this.#resolveHead = resolve;
      this.#rejectHead = reject;
    });
    // Whoever gave up waiting for the head must not bring the process down.
    this.head.catch(() => {});
  }

  /** Whether the upstream has begun to answer; a request that got no byte back may be sent again. */
  get hasHead(): boolean {
    return this.#hasHead;
  }

  /** Whether nothing more will come. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** All bytes that arrived since the last call, waiting for some; undefined at the regular end. */
  async take(): Promise<Buffer[] | undefined> {
    while (this.#chunks.length === 0) {
      if (this.#error) throw this.#error;
      if (this.#isOver) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#chunks;
    this.#chunks = [];
    this.#waiting = 0;
    if (this.#pausedAt !== undefined) this.#pace?.excuse(performance.now() - this.#pausedAt);
    this.#pausedAt = undefined;
    this.#controller?.resume();
    return taken;
  }

  /** Breaks the transfer off: the connection is closed at once, and everybody who waits gets the error. */
  abort(error: Error): void {
    if (this.#isOver) return;
    this.#fail(error);
    this.#chunks = [];
    this.#controller?.abort(error);
  }

  /** Ends a transfer that was never begun. @param body what there is to take nevertheless */
  finish(body?: Buffer): void {
    if (body && body.length > 0) {
      this.#chunks.push(body);
      this.received = body.length;
    }
    this.#isOver = true;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#error) controller.abort(this.#error);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _fields: unknown, statusText = ''): void {
    if (this.#isOver) return;
    // 1xx are not the response; early hints are dropped. Each begins the wait for the response anew.
    if (status < 200) {
      this.#interim += 1;
      if (this.#interim > mostInterim) this.abort(new ProxyError('PROXY_UPSTREAM_PROTOCOL', endlessInterim));
      return;
    }
    this.#hasHead = true;
    this.#pace = this.#least && new Pace(this.#least);
    const raw = (controller.rawHeaders ?? []) as (Buffer | string)[];
    this.#resolveHead({ status, statusText, rawHeaders: decodeRaw(raw) });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    this.received += chunk.length;
    this.#waiting += chunk.length;
    this.#chunks.push(chunk);
    if (this.#waiting >= highWater) {
      controller.pause();
      this.#pausedAt ??= performance.now();
    }
    if (this.#pace?.isTooSlow(chunk.length)) this.abort(new SlowBodyError());
    else this.#notify();
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.rawTrailers = decodeRaw((controller.rawTrailers ?? []) as (Buffer | string)[]);
    this.#notify();
    this.onOver?.();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#rejectHead(error);
    this.#notify();
    this.onOver?.();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** The transfer of an answer that no upstream gave. */
export function endedTransfer(body?: Buffer): Transfer {
  const transfer = new Transfer();
  transfer.finish(body);
  return transfer;
}
