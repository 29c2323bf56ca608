import { createHash } from 'node:crypto';
import {
  type CacheBlobDocument,
  type CachePublishRequest,
  cacheEntrySchema,
  cacheMissingResponseSchema,
} from '@waybill/contracts';
import type { BlobRead, EntryValue } from '../../model/cache/history.js';
import type { CacheGood } from './goods.js';

/** How the server answered; no status: not at all. */
export interface CacheAnswer {
  readonly status: number | undefined;
  readonly text: string;
}

/** The server's own API, as a client sees it that believes nothing. */
export interface CacheApi {
  missing(
    namespace: string,
    blobs: readonly CacheBlobDocument[],
  ): Promise<CacheAnswer & { readonly sha256s?: string[] }>;
  /** @param sha256 what the bytes are said to be */
  put(namespace: string, sha256: string, bytes: Buffer): Promise<CacheAnswer>;
  /** Breaks off in the middle of the body. */
  putHalf(namespace: string, good: CacheGood): Promise<void>;
  publish(namespace: string, request: CachePublishRequest): Promise<CacheAnswer>;
  lookup(namespace: string, key: string): Promise<CacheAnswer & { readonly entry?: EntryValue }>;
  get(namespace: string, sha256: string): Promise<Pick<BlobRead, 'outcome' | 'status' | 'note'>>;
  remove(namespace: string, key: string): Promise<CacheAnswer>;
  /** Any path. */
  ask(path: string): Promise<CacheAnswer>;
}

const timeoutMs = 60_000;

export function createCacheApi(origin: string): CacheApi {
  const at = (namespace: string, ...names: string[]) =>
    ['/v1/namespaces', ...[namespace, ...names].map(encodeURIComponent)].join('/').replace('//', '/');

  async function call(method: string, path: string, body?: Buffer | string): Promise<CacheAnswer> {
    const headers = { 'content-type': typeof body === 'string' ? 'application/json' : 'application/octet-stream' };
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(new URL(path, origin), {
        method,
        signal,
        ...(body === undefined ? {} : { body, headers }),
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      return { status: undefined, text: String((error as Error).cause ?? error) };
    }
  }

  return {
    async missing(namespace, blobs) {
      const answer = await call('POST', at(namespace, 'missing'), JSON.stringify({ blobs }));
      const parsed = answer.status === 200 ? cacheMissingResponseSchema.parse(JSON.parse(answer.text)) : undefined;
      return { ...answer, ...(parsed && { sha256s: parsed.missing.map(({ sha256 }) => sha256) }) };
    },
    put: (namespace, sha256, bytes) => call('PUT', at(namespace, 'blobs', sha256), bytes),
    async putHalf(namespace, { sha256, bytes }) {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(bytes.subarray(0, bytes.length >> 1));
        },
        pull(controller) {
          controller.error(new Error('broken off'));
        },
      });
      const half = { method: 'PUT', body, duplex: 'half', signal: AbortSignal.timeout(timeoutMs) } as RequestInit;
      await fetch(new URL(at(namespace, 'blobs', sha256), origin), half).then(
        (response) => response.body?.cancel(),
        () => {},
      );
    },
    publish: (namespace, request) => call('POST', at(namespace, 'entries'), JSON.stringify(request)),
    async lookup(namespace, key) {
      const answer = await call('GET', at(namespace, 'entries', key));
      if (answer.status !== 200) return answer;
      const { value, references } = cacheEntrySchema.parse(JSON.parse(answer.text));
      return { ...answer, entry: { value: value.sha256, references: references.map(({ sha256 }) => sha256) } };
    },
    async get(namespace, sha256) {
      let status: number | undefined;
      try {
        const signal = AbortSignal.timeout(timeoutMs);
        const response = await fetch(new URL(at(namespace, 'blobs', sha256), origin), { signal });
        status = response.status;
        const bytes = Buffer.from(await response.arrayBuffer());
        if (status === 404) return { outcome: 'missing', status, note: bytes.toString().slice(0, 300) };
        if (status !== 200) return { outcome: 'broken', status, note: bytes.toString().slice(0, 300) };
        const found = createHash('sha256').update(bytes).digest('hex');
        return { outcome: found === sha256 ? 'whole' : 'wrong', status };
      } catch (error) {
        return { outcome: 'broken', status, note: String((error as Error).cause ?? error) };
      }
    },
    remove: (namespace, key) => call('DELETE', at(namespace, 'entries', key)),
    ask: (path) => call('GET', path),
  };
}
