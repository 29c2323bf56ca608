import { isWaybillError, type WaybillError } from '@waybill/contracts';
import { FetchServiceError, type FetchServiceErrorCode, messageOf } from '../errors.js';

/** One end of the pipe between the primary and a worker: `process` in a worker, the worker in the primary. */
export interface Port {
  /** May throw when the other side is gone. */
  send(message: Message): void;
  onMessage(listener: (message: unknown) => void): void;
  onClose(listener: () => void): void;
}

/** What travels. Other messages on the same pipe (prom-client's, Node's own) have no `waybill`. */
export type Message =
  | { readonly waybill: 'tell'; readonly topic: string; readonly body?: unknown }
  | { readonly waybill: 'ask'; readonly id: number; readonly topic: string; readonly body?: unknown }
  | { readonly waybill: 'answer'; readonly id: number; readonly body?: unknown; readonly fault?: Fault };

/** An error on its way between processes. */
export interface Fault {
  readonly message: string;
  readonly code?: string | undefined;
  readonly hint?: string | undefined;
}

type Receiver = (body: never) => unknown;

const defaultTimeoutMs = 10_000;

interface Waiting {
  resolve(body: unknown): void;
  reject(error: Error): void;
}

/** Questions with answers, and notes without, between two processes. */
export class Channel {
  readonly #port: Port;
  readonly #receivers = new Map<string, Receiver>();
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #isClosed = false;

  constructor(port: Port) {
    this.#port = port;
    port.onMessage((message) => this.#receive(message));
    port.onClose(() => this.#close());
  }

  /** Registers the one receiver of a topic; what it returns is the answer to `ask`. */
  on<Body>(topic: string, receiver: (body: Body) => unknown): void {
    this.#receivers.set(topic, receiver as Receiver);
  }

  /** Without answer; lost when the other side is gone. */
  tell(topic: string, body?: unknown): void {
    if (!this.#isClosed) this.#send({ waybill: 'tell', topic, body });
  }

  /**
   * @throws FetchServiceError what the receiver threw, or FETCH_PROCESS_GONE when the other side is gone or does not answer
   */
  ask<Answer>(topic: string, body?: unknown, timeoutMs = defaultTimeoutMs): Promise<Answer> {
    if (this.#isClosed) return Promise.reject(gone(topic));
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    const timer = setTimeout(() => reject(gone(topic)), timeoutMs);
    this.#send({ waybill: 'ask', id, topic, body });
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }) as Promise<Answer>;
  }

  #send(message: Message): void {
    try {
      this.#port.send(message);
    } catch {
      this.#close();
    }
  }

  #close(): void {
    this.#isClosed = true;
    for (const { reject } of [...this.#waiting.values()]) reject(gone('the question'));
  }

  #receive(message: unknown): void {
    if (!isMessage(message)) return;
    if (message.waybill === 'answer') {
      const waiting = this.#waiting.get(message.id);
      if (message.fault) waiting?.reject(fromFault(message.fault));
      else waiting?.resolve(message.body);
      return;
    }
    const receiver = this.#receivers.get(message.topic);
    const work = (async () => {
      if (!receiver) throw new FetchServiceError('FETCH_PROCESS_GONE', `nobody takes ${JSON.stringify(message.topic)}`);
      return receiver(message.body as never);
    })();
    if (message.waybill === 'tell') return void work.catch(() => {});
    const { id } = message;
    work.then(
      (body) => this.#send({ waybill: 'answer', id, body }),
      (cause: unknown) => this.#send({ waybill: 'answer', id, fault: toFault(cause) }),
    );
  }
}

/** What of an error gets through the pipe. */
export function toFault(cause: unknown): Fault {
  if (!isWaybillError(cause)) return { message: messageOf(cause) };
  const { message, code, hint } = cause as WaybillError<string>;
  return { message, code, ...(hint === undefined ? {} : { hint }) };
}

/** The error that the other side met: with the code that it had there. */
export function fromFault({ message, code, hint }: Fault): Error {
  if (code === undefined) return new Error(message);
  return new FetchServiceError(code as FetchServiceErrorCode, message, hint === undefined ? {} : { hint });
}

function isMessage(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'waybill' in message;
}

function gone(topic: string): FetchServiceError {
  return new FetchServiceError('FETCH_PROCESS_GONE', `another process of the service did not answer: ${topic}`);
}
