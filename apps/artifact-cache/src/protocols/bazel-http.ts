import { fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import type { CacheNamespace } from '@waybill/cache-store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ActionResult, ActionResultSchema } from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { admit, writerOfRequest } from '../http/caller.js';
import { ActionResultError } from '../remote-execution/action-result.js';
import { storeActionResult } from '../remote-execution/store-action-result.js';
import type { Caller, Serving } from '../serving/serving.js';
import type { PrefixedPath } from './prefixed-path.js';
import { readBody, receiveBody } from './receive-body.js';
import { RequestError } from './request-error.js';
import { sendBlob } from './send-blob.js';

/** One request of the simple HTTP cache, with its namespace opened and the caller let in. */
interface Exchange {
  readonly serving: Serving;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly namespace: CacheNamespace;
  readonly hash: string;
  readonly caller: Caller;
}

/**
 * Bazel's simple HTTP cache: action results below `ac/`, blobs below `cas/`. specs/artifact-cache.md §4.7
 * @see https://bazel.build/remote/caching#http-caching
 */
export async function serveBazelHttp(
  serving: Serving,
  path: PrefixedPath,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): Promise<void> {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!isRead && request.method !== 'PUT') {
    await reply.code(405).header('allow', 'GET, HEAD, PUT').send();
    return;
  }
  if (!/^[0-9a-f]{64}$/.test(path.key)) {
    throw new RequestError(400, `expected a sha256 in 64 lower-case hex digits below ${path.protocol}/`);
  }
  const caller = await admit(serving, request, path.namespace, isRead ? 'read' : 'write');
  const namespace = serving.store.namespace(path.namespace);
  const exchange = { serving, request, reply, namespace, hash: path.key, caller };
  if (path.protocol === 'ac' && namespace.rules.rawActions) await (isRead ? readRaw(exchange) : writeRaw(exchange));
  else if (path.protocol === 'cas') await (isRead ? readContent(exchange) : writeContent(exchange));
  else await (isRead ? readAction(exchange) : writeAction(exchange));
}

async function readContent({ serving, request, reply, namespace, hash }: Exchange): Promise<void> {
  const { metrics } = serving;
  const isThere = await sendBlob(request, reply, {
    namespace,
    metrics,
    protocol: 'bazel-http',
    blob: { sha256: hash },
    isImmutable: true,
    mayCompress: true,
  });
  if (!isThere) await missed(serving, namespace, reply);
}

async function writeContent({ serving, request, reply, namespace, hash, caller }: Exchange): Promise<void> {
  const blob = await receiveBody(request, {
    namespace,
    sha256: hash,
    writer: writerOfRequest(request, caller),
    maxBytes: serving.limits.maxBlobBytes,
  });
  serving.metrics.received('bazel-http', namespace.name, blob.size);
  await reply.code(200).send();
}

async function readAction({ serving, request, reply, namespace, hash }: Exchange): Promise<void> {
  const entry = await namespace.lookup('action', [hash]);
  const bytes = entry && (await namespace.read(entry.value, serving.limits.maxMessageBytes));
  if (!bytes) return await missed(serving, namespace, reply);
  const { metrics } = serving;
  metrics.hit('bazel-http', namespace.name);
  // Asked anew each time: the server has to confirm that what the result needs is still there.
  reply.header('cache-control', 'private, no-store');
  const isJson = wantsJson(request);
  const body = isJson ? Buffer.from(JSON.stringify(toJson(ActionResultSchema, readable(bytes)))) : bytes;
  reply.code(200).type(isJson ? 'application/json' : 'application/octet-stream');
  metrics.sent('bazel-http', namespace.name, body.length);
  if (request.method === 'HEAD') await reply.header('content-length', body.length).send();
  else await reply.send(body);
}

async function writeAction({ serving, request, reply, namespace, hash, caller }: Exchange): Promise<void> {
  const body = await readBody(request, serving.limits.maxMessageBytes);
  const { result, bytes } = decodeAction(body, request.headers['content-type']);
  const writer = writerOfRequest(request, caller);
  try {
    // A name that is taken keeps its value: to the client that is as good as stored.
    await storeActionResult({ namespace, hash, result, bytes, writer });
  } catch (error) {
    if (!(error instanceof ActionResultError)) throw error;
    throw new RequestError(error.reason === 'missing' ? 409 : 400, error.message);
  }
  serving.metrics.received('bazel-http', namespace.name, bytes.length);
  await reply.code(200).send();
}

/** What is not an action result is in a key space of its own: no build that believes results gets to see it. */
async function readRaw({ serving, request, reply, namespace, hash }: Exchange): Promise<void> {
  const { metrics } = serving;
  const entry = await namespace.lookup('raw', [hash]);
  const sending = { namespace, metrics, protocol: 'bazel-http' } as const;
  if (entry && (await sendBlob(request, reply, { ...sending, blob: entry.value }))) return;
  await missed(serving, namespace, reply);
}

async function writeRaw({ serving, request, reply, namespace, hash, caller }: Exchange): Promise<void> {
  const writer = writerOfRequest(request, caller);
  const value = await receiveBody(request, { namespace, writer, maxBytes: serving.limits.maxBlobBytes });
  serving.metrics.received('bazel-http', namespace.name, value.size);
  await namespace.publish({ kind: 'raw', keys: [hash], value }, writer);
  await reply.code(200).send();
}

function decodeAction(body: Buffer, contentType = ''): { readonly result: ActionResult; readonly bytes: Uint8Array } {
  if (body.length === 0) throw new RequestError(400, 'an action result cannot be empty');
  try {
    if (!/^application\/json\b/i.test(contentType)) {
      return { result: fromBinary(ActionResultSchema, body), bytes: body };
    }
    const document: JsonValue = JSON.parse(body.toString('utf8'));
    const result = fromJson(ActionResultSchema, document, { ignoreUnknownFields: true });
    return { result, bytes: toBinary(ActionResultSchema, result) };
  } catch {
    throw new RequestError(400, 'the body cannot be read as an action result');
  }
}

/** Messages of other types inside cannot be written as JSON without knowing them: they are left out of the answer. */
function readable(bytes: Buffer): ActionResult {
  const result = fromBinary(ActionResultSchema, bytes);
  if (result.executionMetadata) result.executionMetadata.auxiliaryMetadata = [];
  return result;
}

function wantsJson(request: FastifyRequest): boolean {
  const { accept = '' } = request.headers;
  return /\bapplication\/json\b/i.test(accept) && !/\bapplication\/octet-stream\b/i.test(accept);
}

async function missed(serving: Serving, namespace: CacheNamespace, reply: FastifyReply): Promise<void> {
  serving.metrics.miss('bazel-http', namespace.name);
  await reply.code(404).type('text/plain; charset=utf-8').send('not here\n');
}
