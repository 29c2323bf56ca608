import type { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { type CacheBlob, type CacheNamespace, CacheStoreError, type CacheWriter } from '@waybill/cache-store';
import type { FastifyRequest } from 'fastify';
import { isCut } from '../http/body.js';
import { RequestError } from './request-error.js';

/** What is known of a body before it comes. */
export interface ReceiveOptions {
  readonly namespace: CacheNamespace;
  readonly writer: CacheWriter;
  /** Largest body. */
  readonly maxBytes: number;
  /** What it has to be. */
  readonly sha256?: string | undefined;
  /** Milliseconds without a byte after which the connection is cut. Default one minute. */
  readonly idleMs?: number | undefined;
}

/** How the body of a request is written down. */
interface Encoding {
  readonly isZstd: boolean;
  /** Bytes of what is stored, when the request says. */
  readonly size?: number | undefined;
}

/**
 * Streams the body of a request into the store: verified, durable and leased when this resolves, and nothing of it is left
 * otherwise. What of a refused body is still on its way is read and dropped, so that the client gets to read the refusal.
 * @throws CacheStoreError, RequestError
 */
export async function receiveBody(request: FastifyRequest, options: ReceiveOptions): Promise<CacheBlob> {
  const { namespace, writer, maxBytes, sha256 } = options;
  const encoding = encodingOf(request);
  if (encoding.size !== undefined && encoding.size > maxBytes) throw tooLarge(encoding.size, maxBytes);
  const upload = await namespace.upload({ writer, sha256, size: encoding.size });
  const body = decoded(request.raw, encoding);
  const guard = cutWhenIdle(request.raw, options.idleMs ?? 60_000);
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      guard.refresh();
      if (upload.size + chunk.length > maxBytes) throw tooLarge(upload.size + chunk.length, maxBytes);
      await upload.write(chunk);
    }
    clearTimeout(guard);
    if (isCut(request.raw)) throw new RequestError(400, 'the body ended early');
    return await upload.commit();
  } catch (error) {
    await upload.abort();
    if (body !== request.raw) body.destroy();
    dropRest(request.raw);
    throw translated(error);
  } finally {
    clearTimeout(guard);
  }
}

/** The whole of a small body. @throws RequestError when it is larger than `maxBytes` */
export async function readBody(request: FastifyRequest, maxBytes: number): Promise<Buffer> {
  const encoding = encodingOf(request);
  const body = decoded(request.raw, encoding);
  const guard = cutWhenIdle(request.raw, 60_000);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      guard.refresh();
      size += chunk.length;
      if (size > maxBytes) throw new RequestError(413, `more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  } catch (error) {
    if (body !== request.raw) body.destroy();
    dropRest(request.raw);
    throw translated(error);
  } finally {
    clearTimeout(guard);
  }
}

/** The announced length of the body as it comes; undefined when it comes in chunks. */
export function contentLength(request: FastifyRequest): number | undefined {
  const { 'content-length': length } = request.headers;
  return length === undefined ? undefined : Number(length);
}

/**
 * zstd is the one encoding that is undone; `X-Digest-SizeBytes` then says how many bytes come out of it.
 * specs/artifact-cache.md §4.7
 */
function encodingOf(request: FastifyRequest): Encoding {
  const { 'content-encoding': encoding = 'identity' } = request.headers;
  if (encoding === 'identity') return { isZstd: false, size: contentLength(request) };
  if (encoding !== 'zstd') {
    throw new RequestError(400, `the content encoding ${JSON.stringify(encoding)} is not known, wanted zstd or none`);
  }
  const { 'x-digest-sizebytes': announced } = request.headers;
  if (announced === undefined) return { isZstd: true };
  if (typeof announced !== 'string' || !/^\d{1,15}$/.test(announced)) {
    throw new RequestError(400, 'X-Digest-SizeBytes is no number of bytes');
  }
  return { isZstd: true, size: Number(announced) };
}

function decoded(raw: Readable, { isZstd }: Encoding): Readable {
  if (!isZstd) return raw;
  const decompress = createZstdDecompress();
  raw.once('error', (error) => decompress.destroy(error));
  raw.once('aborted', () => decompress.destroy(new RequestError(400, 'the body ended early')));
  return raw.pipe(decompress);
}

/** A client that sends nothing any more holds a reservation of room: its connection is cut. */
function cutWhenIdle(raw: Readable, idleMs: number): NodeJS.Timeout {
  return setTimeout(() => raw.destroy(new RequestError(408, `no byte for ${idleMs} ms`)), idleMs).unref();
}

/** Bytes of a refused body that are read for the sake of an answer that arrives. */
const mostDropped = 64 * 1024 ** 2;

function dropRest(raw: Readable): void {
  if (raw.readableEnded || raw.destroyed) return;
  let dropped = 0;
  raw.unpipe();
  raw.on('error', () => undefined);
  raw.on('data', (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > mostDropped) raw.destroy();
  });
  raw.resume();
}

function translated(error: unknown): unknown {
  const { code } = error as { readonly code?: unknown };
  // Bad frames, and frames that ask for more memory than the format's default.
  if (typeof code === 'string' && /^(ZSTD_|Z_|ERR_ZSTD|ERR_ZLIB)/i.test(code)) {
    return new RequestError(400, 'the body is not valid zstd');
  }
  return error;
}

function tooLarge(size: number, maxBytes: number): CacheStoreError {
  return new CacheStoreError('CACHE_BLOB_TOO_LARGE', `${size} bytes, at most ${maxBytes} are taken`);
}
