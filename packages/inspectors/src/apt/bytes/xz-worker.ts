import { ReadableStream } from 'node:stream/web';
import { type MessagePort, parentPort } from 'node:worker_threads';
import xz from 'xz-decompress';

/** What the decoder's owner sends: the next compressed bytes (undefined at their end), or the wish for the next output. */
export type XzRequest =
  | { readonly type: 'start'; readonly id: number }
  | { readonly type: 'input'; readonly chunk: Uint8Array | undefined }
  | { readonly type: 'pull' }
  | { readonly type: 'cancel' };

/** What the decoder answers; `id` is the stream's. */
export type XzReply =
  | { readonly type: 'need'; readonly id: number }
  | { readonly type: 'output'; readonly id: number; readonly chunk: Uint8Array; readonly done: boolean }
  | { readonly type: 'error'; readonly id: number; readonly message: string }
  | { readonly type: 'cancelled'; readonly id: number };

/** Bytes handed over per message: large enough that messages cost nothing beside decoding. */
const batchBytes = 256 * 1024;

interface Decoding {
  readonly id: number;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  supply: ((chunk: Uint8Array | undefined) => void) | undefined;
  cancelled: boolean;
}

/**
 * Decodes one xz stream at a time; the owner starts the next after the last has ended, failed or been cancelled.
 * The decoder library shares one WebAssembly instance and one lock per JavaScript realm, so a realm of its own for each
 * concurrent stream keeps a slow reader from holding up all others, and decoding off the proxy's event loop.
 */
function serve(port: MessagePort): void {
  let current: Decoding | undefined;
  port.on('message', (request: XzRequest) => {
    if (request.type === 'start') current = start(port, request.id);
    else if (!current) return;
    else if (request.type === 'input') current.supply?.(request.chunk);
    else if (request.type === 'pull') void produce(port, current);
    else void cancel(port, current);
  });
}

function start(port: MessagePort, id: number): Decoding {
  const source = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (decoding.cancelled) return controller.close();
        port.postMessage({ type: 'need', id } satisfies XzReply);
        const chunk = await new Promise<Uint8Array | undefined>((resolve) => {
          decoding.supply = resolve;
        });
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const stream = new xz.XzReadableStream(source as unknown as globalThis.ReadableStream<Uint8Array>);
  const decoding: Decoding = { id, reader: stream.getReader(), supply: undefined, cancelled: false };
  return decoding;
}

async function produce(port: MessagePort, { id, reader }: Decoding): Promise<void> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    let done = false;
    while (!done && size < batchBytes) {
      const read = await reader.read();
      done = read.done;
      if (read.value) {
        parts.push(read.value);
        size += read.value.length;
      }
    }
    const chunk = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      chunk.set(part, at);
      at += part.length;
    }
    port.postMessage({ type: 'output', id, chunk, done } satisfies XzReply, [chunk.buffer]);
  } catch (error) {
    port.postMessage({ type: 'error', id, message: explain(error) } satisfies XzReply);
  }
}

/**
 * Ends the input and reads until the decoder notices: only the end of a stream, good or bad, makes the library give back its
 * memory and its lock in all states it can be in.
 */
async function cancel(port: MessagePort, decoding: Decoding): Promise<void> {
  decoding.cancelled = true;
  decoding.supply?.(undefined);
  try {
    while (!(await decoding.reader.read()).done);
  } catch {
    // What it says about the missing end is of no interest.
  }
  port.postMessage({ type: 'cancelled', id: decoding.id } satisfies XzReply);
}

/** The library names the codes of XZ Embedded by number only. */
const codes: Readonly<Record<string, string>> = {
  2: 'unsupported integrity check',
  3: 'not enough memory',
  4: 'dictionary larger than 64 MiB',
  5: 'not in the xz format',
  6: 'unsupported xz options (only CRC32 and CRC64 checks and the LZMA2 filter are read)',
  7: 'corrupt xz data',
  8: 'xz data ends too early',
};

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = /error code (\d+)/.exec(message)?.[1];
  if (code) return codes[code] ?? `xz error ${code}`;
  // Without further input the library trips over its own missing chunk.
  return error instanceof TypeError ? 'xz data ends too early' : message;
}

if (parentPort) serve(parentPort);
