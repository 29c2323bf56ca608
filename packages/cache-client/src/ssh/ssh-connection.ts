import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cacheErrorSchema,
  encodeReceiveFrame,
  parseReceivePayload,
  type ReceiveFrame,
  type ReceiveFrameType,
  readReceiveFrames,
  redactText,
} from '@waybill/contracts';
import type { z } from 'zod';
import { CacheClientError } from '../errors.js';
import { sshFailure, startFailure } from './ssh-failure.js';

/** Most of what ssh prints that is kept. */
const maxStderr = 16 * 1024;

/** Writes frames of one request. Resolves when more can be taken. */
export type WriteFrame = (type: ReceiveFrameType, payload?: Uint8Array | object) => Promise<void>;

/** One session of the receiver. Requests may be under way together; they are written one after another and answered in order. */
export interface SshConnection {
  readonly isOpen: boolean;
  /** Sends one request and gives the document of its answer. @throws CacheClientError CACHE_REMOTE_…, CACHE_FRAME_INVALID */
  request<Schema extends z.ZodType>(
    wanted: ReceiveFrameType,
    schema: Schema,
    write: (send: WriteFrame) => Promise<void>,
  ): Promise<z.output<Schema>>;
  /** Says that it is done and waits for ssh's end. */
  close(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

interface Waiter {
  readonly resolve: (frame: ReceiveFrame) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts ssh. Whether it comes through shows with the first request. */
export function openSshConnection(host: string, command: readonly string[]): SshConnection {
  const [program = 'ssh', ...argv] = command;
  const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'] });
  return new ChildConnection(child, { host, program });
}

class ChildConnection implements SshConnection {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #host: string;
  readonly #waiters: Waiter[] = [];
  readonly #ended: Promise<unknown>;
  #turn: Promise<unknown> = Promise.resolve();
  #failure: CacheClientError | undefined;
  #stderr = '';

  constructor(
    child: ChildProcessWithoutNullStreams,
    { host, program }: { readonly host: string; readonly program: string },
  ) {
    this.#child = child;
    this.#host = host;
    child.on('error', (error) => this.#fail(startFailure(program, error)));
    child.stdin.on('error', () => undefined);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-maxStderr);
    });
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    void this.#read();
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  async request<Schema extends z.ZodType>(
    wanted: ReceiveFrameType,
    schema: Schema,
    write: (send: WriteFrame) => Promise<void>,
  ): Promise<z.output<Schema>> {
    const frame = await this.#exchange(write);
    try {
      if (frame.type === wanted) return parseReceivePayload(frame, schema);
      throw new CacheClientError('CACHE_FRAME_INVALID', `${this.#host}: expected ${wanted}, got ${frame.type}`);
    } catch (error) {
      throw this.#fail(asFrameError(this.#host, error));
    }
  }

  async close(): Promise<void> {
    if (this.isOpen) await this.#exchange((send) => send('done')).catch(() => undefined);
    this.#fail(new CacheClientError('CACHE_REMOTE_UNREACHABLE', `${this.#host}: the connection is closed`));
    this.#child.stdin.end();
    await this.#ended;
  }

  kill(): void {
    this.#fail(new CacheClientError('CACHE_REMOTE_UNREACHABLE', `${this.#host}: the connection was ended`));
    this.#child.kill();
  }

  /** Takes a turn to write, and waits outside of it: what follows can be written before the answer is there. */
  async #exchange(write: (send: WriteFrame) => Promise<void>): Promise<ReceiveFrame> {
    let waiting: Promise<ReceiveFrame> | undefined;
    const turn = this.#turn.then(async () => {
      if (this.#failure) throw this.#failure;
      waiting = new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
      waiting.catch(() => undefined);
      await write((type, payload) => this.#write(encodeReceiveFrame(type, payload)));
    });
    this.#turn = turn.catch(() => undefined);
    try {
      await turn;
    } catch (error) {
      // Half a request is on its way: nothing after it would be understood.
      const failure = error instanceof CacheClientError && error.code.startsWith('CACHE_REMOTE') ? error : undefined;
      if (this.isOpen) {
        this.#fail(failure ?? new CacheClientError('CACHE_REMOTE_FAILED', `${this.#host}: sending was broken off`));
        this.#child.kill();
      }
      throw error;
    }
    return await (waiting as Promise<ReceiveFrame>);
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#failure) throw this.#failure;
    const { stdin } = this.#child;
    if (!stdin.write(bytes)) await Promise.race([once(stdin, 'drain').catch(() => undefined), this.#ended]);
    if (this.#failure) throw this.#failure;
  }

  async #read(): Promise<void> {
    try {
      for await (const frame of readReceiveFrames(this.#child.stdout)) {
        if (frame.type === 'error') throw refusalOf(this.#host, frame);
        this.#waiters.shift()?.resolve(frame);
      }
    } catch (error) {
      this.#fail(await this.#explain(error));
      this.#child.kill();
      return;
    }
    await this.#ended;
    this.#fail(sshFailure(this.#host, { code: this.#child.exitCode, stderr: this.#stderr }));
  }

  /** A stream that breaks off in the middle of a frame is ssh's failure, and ssh has said why. */
  async #explain(error: unknown): Promise<CacheClientError> {
    const explained = asFrameError(this.#host, error);
    if (explained.code !== 'CACHE_FRAME_INVALID' || !explained.message.includes('ends in the middle')) return explained;
    await this.#ended;
    return sshFailure(this.#host, { code: this.#child.exitCode, stderr: this.#stderr });
  }

  #fail(error: CacheClientError): CacheClientError {
    this.#failure ??= error;
    for (const { reject } of this.#waiters.splice(0)) reject(this.#failure);
    return this.#failure;
  }
}

function asFrameError(host: string, error: unknown): CacheClientError {
  if (error instanceof CacheClientError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new CacheClientError('CACHE_FRAME_INVALID', redactText(`${host}: ${text}`), {
    hint: 'the forced command of the account must be artifact-cache receive, and its shell must print nothing',
    cause: error,
  });
}

const fullCodes = new Set(['CACHE_FULL', 'CACHE_BLOB_TOO_LARGE', 'BLOB_STORAGE_FULL', 'STORE_FULL']);
const refusals = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'RECEIVE_KEY_UNKNOWN',
  'RECEIVE_NAMESPACE',
  'RECEIVE_COMMAND_REFUSED',
  'CACHE_READ_ONLY',
  'CACHE_NAMESPACE_UNKNOWN',
  'CACHE_NAMESPACE_INVALID',
]);

function refusalOf(host: string, frame: ReceiveFrame): CacheClientError {
  const { error, message, hint } = parseReceivePayload(frame, cacheErrorSchema);
  const code = fullCodes.has(error)
    ? 'CACHE_REMOTE_FULL'
    : refusals.has(error)
      ? 'CACHE_REMOTE_REFUSED'
      : 'CACHE_REMOTE_FAILED';
  return new CacheClientError(
    code,
    redactText(`${host}: ${error}: ${message}`),
    hint ? { hint: redactText(hint) } : {},
  );
}
