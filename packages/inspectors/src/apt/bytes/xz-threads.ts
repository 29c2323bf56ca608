import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { FormatProblem } from '../format-problem.js';
import type { XzReply, XzRequest } from './xz-worker.js';

/** Decoders that run at the same time, in this process; more wait for their turn. */
const maxDecoders = Math.max(2, Math.min(4, availableParallelism()));
const idleMs = 10_000;
/** A cancelled decoder has to work through the input it already has; a bomb would take longer. */
const cancelMs = 500;

interface Decoder {
  readonly worker: Worker;
  idle: NodeJS.Timeout | undefined;
}

/** The decoder's own memory is WebAssembly's: a heap of JavaScript is hardly used. MiB. */
const resourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

const idle: Decoder[] = [];
const waiting: (() => void)[] = [];
let running = 0;
let nextId = 0;

/**
 * Decodes xz (one or more streams of any number of blocks, CRC32 or CRC64, dictionary up to 64 MiB) in a worker thread.
 * Ends with the last stream; breaking off the loop or aborting cancels the decoder.
 *
 * @throws FormatProblem for bytes that are no xz or end too early
 */
export async function* decodeInThread(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Buffer> {
  await turn(signal);
  const decoder = idle.pop() ?? createDecoder();
  clearTimeout(decoder.idle);
  decoder.worker.ref();
  nextId += 1;
  const replies = listen(decoder.worker, nextId, signal);
  const send = (request: XzRequest) => decoder.worker.postMessage(request);
  const input = source[Symbol.asyncIterator]();
  let ended = false;
  try {
    send({ type: 'start', id: nextId });
    send({ type: 'pull' });
    for (;;) {
      const reply = await replies.next();
      ended = reply.type === 'error' || (reply.type === 'output' && reply.done);
      if (reply.type === 'error') throw new FormatProblem(reply.message);
      if (reply.type === 'need') {
        const { value, done } = await input.next();
        send({ type: 'input', chunk: done ? undefined : value });
      } else if (reply.type === 'output') {
        if (!reply.done) send({ type: 'pull' });
        if (reply.chunk.length > 0) yield toBuffer(reply.chunk);
        if (reply.done) return;
      }
    }
  } finally {
    void (ended ? Promise.resolve(true) : cancel(replies, send)).then((reusable) => {
      replies.close();
      release(decoder, reusable);
    });
    await input.return?.();
  }
}

function toBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** Whether the decoder can be used again. */
async function cancel(replies: Replies, send: (request: XzRequest) => void): Promise<boolean> {
  send({ type: 'cancel' });
  const timer = setTimeout(() => replies.fail(new Error('the xz decoder does not stop')), cancelMs);
  try {
    while ((await replies.next({ ignoreAbort: true })).type !== 'cancelled');
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

function release(decoder: Decoder, reusable: boolean): void {
  running -= 1;
  if (reusable) rest(decoder);
  else void decoder.worker.terminate();
  waiting.shift()?.();
}

type Replies = ReturnType<typeof listen>;

/** Replies of one stream, one at a time; a dead worker or an abort ends the wait with a throw. */
function listen(worker: Worker, id: number, signal: AbortSignal | undefined) {
  const queue: XzReply[] = [];
  let failed: unknown;
  let wake: (() => void) | undefined;
  const onMessage = (reply: XzReply) => {
    if (reply.id === id) queue.push(reply);
    wake?.();
  };
  const fail = (cause: unknown) => {
    failed ??= cause;
    wake?.();
  };
  const onExit = () => fail(new Error('the xz decoder ended unexpectedly'));
  const onAbort = () => wake?.();
  worker.on('message', onMessage);
  worker.on('error', fail);
  worker.on('exit', onExit);
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    fail,
    async next({ ignoreAbort = false } = {}): Promise<XzReply> {
      for (;;) {
        if (!ignoreAbort) signal?.throwIfAborted();
        const reply = queue.shift();
        if (reply) return reply;
        if (failed !== undefined) throw failed;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    close(): void {
      worker.off('message', onMessage);
      worker.off('error', fail);
      worker.off('exit', onExit);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}

function createDecoder(): Decoder {
  // In the sources this module lies beside the worker; built, it is `dist/index.js` and the worker an entry of its own.
  const file = import.meta.url.endsWith('.ts') ? './xz-worker.ts' : './apt/bytes/xz-worker.js';
  const worker = new Worker(new URL(file, import.meta.url), { name: 'waybill-xz', resourceLimits });
  // Between two streams nobody else listens; an error event without a listener would end the process.
  worker.on('error', () => {});
  return { worker, idle: undefined };
}

/** Keeps a decoder for the next stream for a while, without keeping the process alive. */
function rest(decoder: Decoder): void {
  decoder.worker.unref();
  decoder.idle = setTimeout(() => {
    idle.splice(idle.indexOf(decoder), 1);
    void decoder.worker.terminate();
  }, idleMs);
  decoder.idle.unref();
  idle.push(decoder);
}

async function turn(signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  if (running < maxDecoders) {
    running += 1;
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      waiting.splice(waiting.indexOf(onTurn), 1);
      reject(signal?.reason);
    };
    const onTurn = () => {
      signal?.removeEventListener('abort', onAbort);
      running += 1;
      resolve();
    };
    waiting.push(onTurn);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
