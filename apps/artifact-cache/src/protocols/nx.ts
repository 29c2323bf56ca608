import type { FastifyReply, FastifyRequest } from 'fastify';
import { errorDocument, statusOf } from '../http/answers.js';
import { admit, writerOfRequest } from '../http/caller.js';
import type { Serving } from '../serving/serving.js';
import type { PrefixedPath } from './prefixed-path.js';
import { contentLength, receiveBody } from './receive-body.js';
import { RequestError } from './request-error.js';
import { sendBlob } from './send-blob.js';

/** Request and answer of one exchange. */
interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/**
 * Nx's self-hosted cache: `GET` and `PUT {prefix/}v1/cache/{hash}`. Entries are immutable, refusals are text that Nx shows to
 * its user. specs/artifact-cache.md §5.2
 * @see https://nx.dev/docs/guides/tasks--caching/self-hosted-caching
 */
export async function serveNx(serving: Serving, path: PrefixedPath, { request, reply }: Exchange): Promise<void> {
  try {
    // Hashes are decimal numbers today; anything that is no trick will do.
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/.test(path.key)) throw new RequestError(400, 'this is no hash of a task');
    if (request.method === 'GET' || request.method === 'HEAD') await read(serving, path, { request, reply });
    else if (request.method === 'PUT') await write(serving, path, { request, reply });
    else await text(reply.header('allow', 'GET, HEAD, PUT'), 405, 'GET and PUT are what there is');
  } catch (error) {
    await refuse(serving, reply, error);
  }
}

async function read(serving: Serving, path: PrefixedPath, { request, reply }: Exchange): Promise<void> {
  await admit(serving, request, path.namespace, 'read');
  const namespace = serving.store.namespace(path.namespace);
  const { metrics } = serving;
  const entry = await namespace.lookup('nx', [path.key]);
  const isSent = entry && (await sendBlob(request, reply, { namespace, metrics, protocol: 'nx', blob: entry.value }));
  if (isSent) return;
  metrics.miss('nx', namespace.name);
  await text(reply, 404, 'not here');
}

async function write(serving: Serving, path: PrefixedPath, { request, reply }: Exchange): Promise<void> {
  const caller = await admit(serving, request, path.namespace, 'write');
  const namespace = serving.store.namespace(path.namespace);
  if (contentLength(request) === undefined) throw new RequestError(411, 'Content-Length is needed');
  const taken = 'there is an entry with this hash; entries are not replaced';
  if (await namespace.lookup('nx', [path.key])) return await text(reply, 409, taken);
  const writer = writerOfRequest(request, caller);
  const value = await receiveBody(request, { namespace, writer, maxBytes: serving.limits.maxBlobBytes });
  serving.metrics.received('nx', namespace.name, value.size);
  const outcome = await namespace.publish({ kind: 'nx', keys: [path.key], value, overwrite: 'first-wins' }, writer);
  if (outcome === 'exists') return await text(reply, 409, taken);
  // Not 202, as its description said at first: Nx 24 would send it all a second time.
  await text(reply, 200, 'stored');
}

async function refuse(serving: Serving, reply: FastifyReply, error: unknown): Promise<void> {
  const status = statusOf(error) ?? 500;
  if (status >= 500) serving.log.error({ error }, 'a request of Nx failed');
  const { error: code, message, hint } = errorDocument(error);
  serving.metrics.refused('nx', code);
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="artifact-cache"');
  await text(reply, status, hint ? `${message}; ${hint}` : message);
}

async function text(reply: FastifyReply, status: number, message: string): Promise<void> {
  if (reply.sent || reply.raw.headersSent) return;
  // Exactly this type, without a charset: else Nx takes the server for misconfigured.
  await reply
    .code(status)
    .header('content-type', 'text/plain')
    .send(Buffer.from(`${message}\n`));
}
