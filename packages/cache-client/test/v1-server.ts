import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import {
  type CacheEntry,
  type CacheNamespace,
  type CacheStore,
  CacheStoreError,
  createMemoryCacheStore,
} from '@waybill/cache-store';

/** What a fault does to one request: answers itself (true), or lets it pass. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A stand-in for artifact-cache's `/v1` over a store in memory, with faults on demand. */
export interface V1Server {
  readonly url: URL;
  readonly store: CacheStore;
  /** `METHOD path` of every request so far. */
  readonly requests: string[];
  readonly headers: IncomingMessage['headers'][];
  /** Forgets uploads, as a server that is started anew. */
  loseUploads(): void;
  /** Asked before each request. */
  fault: Fault | undefined;
  close(): Promise<void>;
}

const writer = { principal: 'tester' };

export async function startV1Server(): Promise<V1Server> {
  const store = createMemoryCacheStore();
  const uploads = new Map<string, { sha256: string; size: number; chunks: Buffer[] }>();
  const state: { fault: Fault | undefined } = { fault: undefined };
  const requests: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const server: Server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    headers.push(request.headers);
    if (state.fault?.(request, response)) return;
    handle(store, uploads, request, response).catch((error: unknown) => refuse(response, error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}/`),
    store,
    requests,
    headers,
    loseUploads: () => uploads.clear(),
    get fault() {
      return state.fault;
    },
    set fault(fault) {
      state.fault = fault;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

type Uploads = Map<string, { sha256: string; size: number; chunks: Buffer[] }>;

async function handle(store: CacheStore, uploads: Uploads, request: IncomingMessage, response: ServerResponse) {
  const url = new URL(request.url ?? '/', 'http://server.example');
  const [, , , space = '', what = '', name = ''] = url.pathname.split('/').map(decodeURIComponent);
  const namespace = store.namespace(space);
  const { method } = request;
  if (what === 'blobs') return await blobs(namespace, name, request, response);
  if (what === 'uploads') return await upload(namespace, uploads, name, request, response);
  if (what === 'missing') {
    const { blobs: asked } = JSON.parse(await textOf(request)) as { blobs: { sha256: string; size: number }[] };
    const present = await namespace.present(asked);
    return json(response, 200, { missing: asked.filter((_, index) => !present[index]) });
  }
  if (method === 'POST') {
    const { keys, value, references, metadata, overwrite } = JSON.parse(await textOf(request));
    const outcome = await namespace.publish({ kind: 'artifact', keys, value, references, metadata, overwrite }, writer);
    return json(response, outcome === 'exists' ? 409 : 201, { outcome });
  }
  if (method === 'DELETE') {
    const there = await namespace.remove('artifact', name, writer);
    return response.writeHead(there ? 204 : 404).end();
  }
  const entry = await namespace.lookup('artifact', [name]);
  return entry
    ? json(response, 200, documentOf(entry))
    : json(response, 404, { error: 'NOT_FOUND', message: 'no entry' });
}

async function blobs(namespace: CacheNamespace, sha256: string, request: IncomingMessage, response: ServerResponse) {
  if (request.method === 'PUT') {
    const size = Number(request.headers['content-length']);
    const sink = await namespace.upload({ writer, sha256, size });
    for await (const chunk of request) await sink.write(chunk as Buffer);
    await sink.commit();
    return response.writeHead(201).end();
  }
  const found = await namespace.open({ sha256 });
  if (!found) return json(response, 404, { error: 'NOT_FOUND', message: 'no blob' });
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const part = from > 0 ? await namespace.open({ sha256 }, { start: from, end: found.size - 1 }) : found;
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': found.size - from,
    ...(from > 0 && { 'content-range': `bytes ${from}-${found.size - 1}/${found.size}` }),
  });
  if (request.method === 'HEAD') return response.end();
  if (part) await pipeline(part.stream, response);
}

async function upload(
  namespace: CacheNamespace,
  uploads: Uploads,
  id: string,
  request: IncomingMessage,
  response: ServerResponse,
) {
  if (request.method === 'POST') {
    const begun = randomUUID();
    uploads.set(begun, { ...JSON.parse(await textOf(request)), chunks: [] });
    return json(response, 201, { id: begun, offset: 0 });
  }
  const known = uploads.get(id);
  if (!known) return json(response, 404, { error: 'NOT_FOUND', message: 'no upload' });
  const offset = () => known.chunks.reduce((sum, { length }) => sum + length, 0);
  if (request.method === 'HEAD') return response.writeHead(204, { 'upload-offset': offset() }).end();
  if (Number(request.headers['upload-offset']) !== offset()) {
    return json(response, 409, { error: 'OFFSET', message: `upload is at ${offset()}` });
  }
  for await (const chunk of request) known.chunks.push(chunk as Buffer);
  if (offset() < known.size) return response.writeHead(204, { 'upload-offset': offset() }).end();
  const sink = await namespace.upload({ writer, sha256: known.sha256, size: known.size });
  for (const chunk of known.chunks) await sink.write(chunk);
  await sink.commit();
  uploads.delete(id);
  return response.writeHead(204, { 'upload-offset': known.size }).end();
}

function documentOf(entry: CacheEntry) {
  return {
    namespace: entry.namespace,
    key: entry.key,
    value: entry.value,
    references: entry.references,
    metadata: entry.metadata,
    writer: entry.writer.principal,
    'created-at': entry.createdAt.toISOString(),
    'used-at': entry.usedAt.toISOString(),
    pinned: entry.pinned,
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const code = error instanceof CacheStoreError ? error.code : 'FAILED';
  json(response, code === 'CACHE_FULL' ? 507 : 400, { error: code, message: String(error) });
}
