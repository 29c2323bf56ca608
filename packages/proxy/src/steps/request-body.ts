import { Readable } from 'node:stream';
import type { Exchange } from '../exchange.js';
import { Pace } from '../limits/pace.js';
import { clientStop, Stop } from '../stop.js';

/** What the client sends along. */
export type RequestBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | {
      /** Too large to be looked at: passed on as it comes. */
      readonly kind: 'stream';
      readonly stream: Readable;
      /** Announced; undefined = chunked. */
      readonly contentLength: number | undefined;
    };

/** Bounds of reading it. */
export interface RequestBodyOptions {
  readonly maxBytes: number;
  /** A client that announces a body and then sends nothing for so long is given up. */
  readonly stallMs: number;
  /** Fewer bytes than this in `stallMs` are as good as none. */
  readonly stallBytes: number;
}

/**
 * Reads the body whole if it fits into `maxBytes`; otherwise hands it on as a stream, back-pressure included.
 * @throws Stop when the client goes away or stalls
 */
export async function readRequestBody(exchange: Exchange, options: RequestBodyOptions): Promise<RequestBody> {
  const { request } = exchange.incoming;
  const isChunked = request.headers['transfer-encoding'] !== undefined;
  const announced = isChunked ? undefined : Number(request.headers['content-length'] ?? 0);
  if (announced === 0) return { kind: 'none' };
  const chunks = bodyChunks(exchange, options);
  if (announced !== undefined && announced > options.maxBytes) return streamed([], chunks, announced);
  const parts: Buffer[] = [];
  let size = 0;
  for (;;) {
    const next = await chunks.next();
    if (next.done) break;
    parts.push(next.value);
    size += next.value.length;
    if (size > options.maxBytes) return streamed(parts, chunks, announced);
  }
  return size === 0 ? { kind: 'none' } : { kind: 'whole', bytes: Buffer.concat(parts, size) };
}

function streamed(
  head: readonly Buffer[],
  rest: AsyncGenerator<Buffer>,
  contentLength: number | undefined,
): RequestBody {
  async function* whole(): AsyncGenerator<Buffer> {
    yield* head;
    yield* rest;
  }
  return {
    kind: 'stream',
    stream: Readable.from(whole(), { objectMode: false, highWaterMark: 64 * 1024 }),
    contentLength,
  };
}

/** The body, asked for with `100 Continue` only once somebody reads it. */
async function* bodyChunks(exchange: Exchange, { stallMs, stallBytes }: RequestBodyOptions): AsyncGenerator<Buffer> {
  const { request, response, expectsContinue } = exchange.incoming;
  if (expectsContinue) response.writeContinue();
  const iterator = request.iterator({ destroyOnReturn: false });
  const pace = new Pace({ bytes: stallBytes, inMs: stallMs });
  for (;;) {
    const next = await nextChunk(exchange, iterator, stallMs);
    if (next.done) return;
    if (pace.isTooSlow(next.value.length)) {
      throw clientStop(`the client sent fewer than ${stallBytes} bytes of its request body in ${stallMs} ms`, 408);
    }
    const handedOver = performance.now();
    yield next.value;
    pace.excuse(performance.now() - handedOver);
  }
}

async function nextChunk(
  exchange: Exchange,
  iterator: AsyncIterator<Buffer>,
  stallMs: number,
): Promise<IteratorResult<Buffer>> {
  const stall = () => exchange.stop(clientStop(`the client sent nothing of its request body for ${stallMs} ms`, 408));
  const timer = setTimeout(stall, stallMs);
  try {
    return await exchange.unlessStopped(iterator.next());
  } catch (error) {
    throw error instanceof Stop ? error : clientStop('the client broke its request body off');
  } finally {
    clearTimeout(timer);
  }
}
