import type { ServerResponse } from 'node:http';
import { passableTrailers } from './http/trailers.js';
import type { ClientConnection } from './incoming.js';

/** Response line and fields for the client. */
export interface AnswerHead {
  readonly status: number;
  readonly statusText: string;
  /** Raw list. */
  readonly headers: readonly string[];
}

/** Our side of the answer to the client: what has gone out, back-pressure, and the two ways to end it. */
export class ClientAnswer {
  /** Body bytes handed to the socket. */
  bytes = 0;
  /** Status sent; 0 before. */
  status = 0;

  readonly #response: ServerResponse;
  readonly #stallMs: number;
  readonly #connection: Pick<ClientConnection, 'close' | 'reset'>;
  #isBroken = false;

  constructor(
    response: ServerResponse,
    options: { readonly stallMs: number; readonly connection: Pick<ClientConnection, 'close' | 'reset'> },
  ) {
    this.#response = response;
    this.#stallMs = options.stallMs;
    this.#connection = options.connection;
    // The client's clock is not ours to set: no Date unless the upstream sent one.
    response.sendDate = false;
    response.on('error', () => {});
  }

  /** Whether anything went out. */
  get isStarted(): boolean {
    return this.status !== 0;
  }

  /** Whether the client can still be told anything. */
  get isOpen(): boolean {
    return !this.#isBroken && !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** Whether it was cut off. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Whether everything was handed to the operating system. */
  get isFinished(): boolean {
    return this.#response.writableFinished;
  }

  /** Whether the body can be cut off without looking complete: not so for HTTP/1.0 without a length. */
  canStream(contentLength: number | undefined): boolean {
    return contentLength !== undefined || this.#response.req.httpVersion === '1.1';
  }

  /** Whether trailers can follow the body. */
  get takesTrailers(): boolean {
    return this.#response.req.httpVersion === '1.1';
  }

  /** Prepares status and fields; they go out with the first byte, or with `flush`. */
  start(head: AnswerHead): void {
    this.status = head.status;
    this.#response.writeHead(head.status, cleanReason(head.statusText), head.headers as string[]);
  }

  /** Sends what `start` prepared. */
  flush(): void {
    this.#response.flushHeaders();
  }

  /** Hands over a part of the body; resolves when the client can take more. Resolves false when it is gone or stalls. */
  write(chunk: Uint8Array): Promise<boolean> | boolean {
    if (!this.isOpen) return false;
    this.bytes += chunk.byteLength;
    return this.#response.write(chunk) || this.#drained();
  }

  /** The regular end. */
  end(body?: Uint8Array | string, trailers?: readonly string[]): void {
    if (!this.isOpen) return;
    if (body !== undefined) this.bytes += Buffer.byteLength(body);
    if (trailers && trailers.length > 0) this.#response.addTrailers(pairs(passableTrailers(trailers)));
    if (body === undefined) this.#response.end();
    else this.#response.end(body);
  }

  /**
   * The client gets to know that what it has is not the whole: never a final chunk, never the announced length. `reset` takes
   * back even what lies in the kernel's buffers, `close` lets the client read so far.
   */
  break(how: 'reset' | 'close'): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#connection[how]();
  }

  /** Resolves when all is handed to the operating system, false when the client went away before. */
  finished(): Promise<boolean> {
    const response = this.#response;
    if (response.writableFinished) return Promise.resolve(true);
    if (response.destroyed) return Promise.resolve(false);
    return this.#once('finish');
  }

  #drained(): Promise<boolean> {
    return this.#once('drain');
  }

  #once(event: 'drain' | 'finish'): Promise<boolean> {
    const response = this.#response;
    return new Promise((resolve) => {
      const settle = (isFine: boolean) => {
        clearTimeout(timer);
        response.off(event, onEvent);
        response.off('close', onClose);
        resolve(isFine);
      };
      const onEvent = () => settle(true);
      const onClose = () => settle(response.writableFinished);
      const timer = setTimeout(() => settle(false), this.#stallMs);
      response.on(event, onEvent);
      response.on('close', onClose);
    });
  }
}

function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] as string, raw[2 * i + 1] as string]);
}

/** A reason phrase with bytes that Node would refuse to write is worth less than the answer. */
function cleanReason(text: string): string {
  return text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '');
}
