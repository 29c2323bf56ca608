import {
  type CacheBlobDocument,
  type CacheEntryDocument,
  type CacheInfo,
  cacheEntrySchema,
  cacheErrorSchema,
  cacheInfoSchema,
  cacheMissingResponseSchema,
  cachePublishResponseSchema,
  redactText,
} from '@waybill/contracts';
import { z } from 'zod';
import { CacheClientError } from '../errors.js';
import type { BlobSink, RemoteReader, RemoteWriter } from '../remotes/remote.js';
import { documentOf, drain, refusalOf } from './answers.js';
import { type RetryOptions, retrying, TransientError } from './retrying.js';
import { type HttpAnswer, type HttpRequest, openTransport, type TransportOptions } from './transport.js';
import { createUploader } from './upload.js';

/** How a namespace of a server is opened. */
export interface HttpRemoteOptions extends TransportOptions {
  readonly namespace: string;
  readonly retry?: RetryOptions | undefined;
  /** Bodies above this size are sent as uploads that can be resumed. Default 8 MiB. */
  readonly resumableBytes?: number | undefined;
}

/** A namespace of artifact-cache over its own HTTP API. */
export interface HttpRemote extends RemoteReader, RemoteWriter {
  info(signal?: AbortSignal): Promise<CacheInfo>;
  remove(key: string, signal?: AbortSignal): Promise<boolean>;
}

/** Most blobs in one question. */
const batch = 10_000;

/** Opens a namespace. Nothing is sent yet. @throws CacheClientError CACHE_CONFIG_INVALID */
export async function openHttpRemote(options: HttpRemoteOptions): Promise<HttpRemote> {
  const transport = await openTransport(options);
  const place = `/v1/namespaces/${encodeURIComponent(options.namespace)}`;

  /** One try: gives answers of the wanted statuses, throws for all others. */
  async function once(request: HttpRequest, wanted: readonly number[]): Promise<HttpAnswer> {
    const answer = await transport.request(request);
    if (wanted.includes(answer.status)) return answer;
    throw await refusalOf(answer);
  }

  async function ask<T>(
    request: HttpRequest,
    wanted: readonly number[],
    read: (answer: HttpAnswer) => Promise<T>,
  ): Promise<T> {
    return await retrying(async () => await read(await once(request, wanted)), {
      ...options.retry,
      signal: request.signal,
    });
  }

  const entryPath = (key: string) => `${place}/entries/${encodeURIComponent(key)}`;
  const blobPath = (sha256: string) => `${place}/blobs/${sha256}`;
  const upload = createUploader({
    place,
    blobPath,
    once,
    retry: options.retry,
    resumableBytes: options.resumableBytes,
  });

  return {
    info: (signal) =>
      ask({ method: 'GET', path: '/v1/info', signal }, [200], (answer) => documentOf(answer, cacheInfoSchema)),

    find: (key, signal) =>
      ask({ method: 'GET', path: entryPath(key), signal }, [200, 404], (answer) => entryOf(answer, key)),

    async has(key, signal) {
      return await ask({ method: 'HEAD', path: entryPath(key), signal }, [200, 404], async (answer) => {
        await drain(answer);
        return answer.status === 200;
      });
    },

    async fetch(blob, sink, signal) {
      let taken = 0;
      const counting = {
        async write(chunk: Uint8Array) {
          await sink.write(chunk);
          taken += chunk.length;
        },
      };
      return await retrying(() => fetchFrom(blob, taken, counting, signal), {
        ...options.retry,
        signal,
        progress: () => taken,
      });
    },

    async missing(blobs, signal) {
      const missing: CacheBlobDocument[] = [];
      for (let at = 0; at < blobs.length; at += batch) {
        const body = jsonBody({ blobs: blobs.slice(at, at + batch) });
        const request: HttpRequest = { method: 'POST', path: `${place}/missing`, ...body, signal };
        missing.push(
          ...(await ask(request, [200], (answer) => documentOf(answer, cacheMissingResponseSchema))).missing,
        );
      }
      return missing;
    },

    send: upload,

    async publish(publication, signal) {
      const request: HttpRequest = { method: 'POST', path: `${place}/entries`, ...jsonBody(publication), signal };
      return await ask(request, [200, 201, 409], async (answer) => {
        if (answer.status !== 409) return (await documentOf(answer, cachePublishResponseSchema)).outcome;
        return await conflictOf(answer);
      });
    },

    async remove(key, signal) {
      return await ask({ method: 'DELETE', path: entryPath(key), signal }, [200, 204, 404], async (answer) => {
        await drain(answer);
        return answer.status !== 404;
      });
    },

    close: async () => transport.close(),
  };

  async function fetchFrom(
    blob: CacheBlobDocument,
    from: number,
    sink: BlobSink,
    signal?: AbortSignal,
  ): Promise<boolean> {
    if (from >= blob.size) return true;
    const headers = from > 0 ? { range: `bytes=${from}-` } : undefined;
    const request: HttpRequest = { method: 'GET', path: blobPath(blob.sha256), ...(headers && { headers }), signal };
    const answer = await once(request, [200, 206, 404]);
    if (answer.status === 404) {
      await drain(answer);
      return false;
    }
    await copyBody(answer, { blob, from }, sink, signal);
    return true;
  }
}

/** The rest of a blob from an answer; an answer that holds all of it again (200) loses what is known already. */
async function copyBody(
  answer: HttpAnswer,
  { blob, from }: { readonly blob: CacheBlobDocument; readonly from: number },
  sink: BlobSink,
  signal: AbortSignal | undefined,
): Promise<void> {
  let skip = answer.status === 206 ? 0 : from;
  let left = blob.size - from;
  if (answer.status === 206 && !(answer.headers['content-range'] ?? '').startsWith(`bytes ${from}-`)) {
    answer.body.destroy();
    throw new CacheClientError('CACHE_REMOTE_FAILED', `another range than the one from byte ${from} came`);
  }
  const chunks = answer.body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (;;) {
    const next = await chunks.next().catch((error: unknown) => {
      signal?.throwIfAborted();
      throw broken(blob, error);
    });
    if (next.done) break;
    const fresh = next.value.subarray(Math.min(skip, next.value.length));
    skip -= next.value.length - fresh.length;
    if (fresh.length > left) {
      answer.body.destroy();
      throw new CacheClientError('CACHE_REMOTE_FAILED', `more than the ${blob.size} bytes of blob ${blob.sha256} came`);
    }
    if (fresh.length > 0) await sink.write(fresh);
    left -= fresh.length;
  }
  if (left > 0) throw broken(blob, undefined);
}

function broken(blob: CacheBlobDocument, cause: unknown): TransientError {
  return new TransientError(
    new CacheClientError('CACHE_REMOTE_UNREACHABLE', `the connection broke in the middle of blob ${blob.sha256}`, {
      cause,
    }),
  );
}

async function entryOf(answer: HttpAnswer, key: string): Promise<CacheEntryDocument | undefined> {
  if (answer.status === 404) {
    await drain(answer);
    return undefined;
  }
  const entry = await documentOf(answer, cacheEntrySchema);
  if (entry.key === key) return entry;
  throw new CacheClientError('CACHE_REMOTE_FAILED', `asked for ${key}, got the entry of ${entry.key.slice(0, 200)}`);
}

/** 409 is the answer to a name that has another value; a server may also say so of blobs that went meanwhile. */
async function conflictOf(answer: HttpAnswer): Promise<'exists'> {
  const said = await documentOf(answer, z.union([cachePublishResponseSchema, cacheErrorSchema]));
  if ('outcome' in said) return 'exists';
  throw new CacheClientError('CACHE_REMOTE_FAILED', redactText(`status 409, ${said.error}: ${said.message}`));
}

/** A JSON body with its headers. */
export function jsonBody(value: unknown): { body: Buffer; headers: Record<string, string> } {
  const body = Buffer.from(JSON.stringify(value));
  return { body, headers: { 'content-type': 'application/json', 'content-length': String(body.length) } };
}
