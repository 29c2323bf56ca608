import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errorDocument, statusOf } from '../http/answers.js';
import { admit, writerOfRequest } from '../http/caller.js';
import { leaveBodiesUnread } from '../http/stream-body.js';
import type { Serving } from '../serving/serving.js';
import { pathSegments } from './prefixed-path.js';
import { receiveBody } from './receive-body.js';
import { RequestError } from './request-error.js';
import { sendBlob } from './send-blob.js';
import { propertiesOf } from './webdav.js';

/** One request: who asks for what was settled before. */
interface Exchange {
  readonly serving: Serving;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly namespace: string;
  readonly key: string;
}

const methods = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND', 'MKCOL'] as const;

/**
 * Names and bytes, `/kv/{namespace}/{key…}`, for clients that want no more: ccache, Gradle, Maven, sccache over WebDAV. A slash in the
 * name of a namespace is written `%2F`. specs/artifact-cache.md §5.3–5.6
 */
export function registerKeyValue(app: FastifyInstance, serving: Serving): void {
  leaveBodiesUnread(app);
  addErrors(app, serving);
  for (const method of ['PROPFIND', 'MKCOL']) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true });
  }
  app.route({
    method: [...methods],
    url: '/kv/*',
    handler: async (request, reply) => {
      const [, namespace = '', ...key] = pathSegments(request.raw.url ?? '') ?? [];
      if (namespace === '') throw new RequestError(400, 'expected /kv/{namespace}/{key}');
      await handlers[request.method as (typeof methods)[number]]({
        serving,
        request,
        reply,
        namespace,
        key: key.join('/'),
      });
      return reply;
    },
  });
}

const handlers: Readonly<Record<(typeof methods)[number], (exchange: Exchange) => Promise<unknown>>> = {
  GET: read,
  HEAD: read,
  PUT: write,
  DELETE: remove,
  OPTIONS: async ({ reply }) => reply.code(204).header('allow', methods.join(', ')).header('dav', '1').send(),
  PROPFIND: describe,
  MKCOL: makeCollection,
};

async function read({ serving, request, reply, namespace: name, key }: Exchange): Promise<void> {
  await admit(serving, request, name, 'read');
  const namespace = serving.store.namespace(name);
  const { metrics } = serving;
  const entry = isKey(key) ? await namespace.lookup('kv', [key]) : undefined;
  const contentType = typeof entry?.metadata.type === 'string' ? entry.metadata.type : undefined;
  const sending = { namespace, metrics, protocol: 'kv', contentType } as const;
  if (entry && (await sendBlob(request, reply, { ...sending, blob: entry.value }))) return;
  metrics.miss('kv', name);
  await reply.code(404).type('text/plain; charset=utf-8').send('not here\n');
}

async function write({ serving, request, reply, namespace: name, key }: Exchange): Promise<void> {
  const caller = await admit(serving, request, name, 'write');
  if (!isKey(key)) throw new RequestError(400, 'a key does not end with a slash');
  const namespace = serving.store.namespace(name);
  const isOnlyNew = request.headers['if-none-match'] === '*';
  if (isOnlyNew && (await namespace.lookup('kv', [key]))) return await existed(reply);
  const writer = writerOfRequest(request, caller);
  const value = await receiveBody(request, { namespace, writer, maxBytes: serving.limits.maxBlobBytes });
  serving.metrics.received('kv', name, value.size);
  const type = request.headers['content-type'];
  const outcome = await namespace.publish(
    {
      kind: 'kv',
      keys: [key],
      value,
      metadata: type && type.length <= 200 ? { type } : {},
      overwrite: isOnlyNew ? 'first-wins' : undefined,
    },
    writer,
  );
  if (isOnlyNew && outcome === 'exists') return await existed(reply);
  // Where names are set once, a later value is dropped, and said to be: any refusal would make Gradle give up the cache.
  await reply
    .code(outcome === 'created' ? 201 : 200)
    .header('artifact-cache-outcome', outcome)
    .send();
}

async function existed(reply: FastifyReply): Promise<void> {
  await reply.code(412).type('text/plain; charset=utf-8').send('there is a value already\n');
}

/** Where names are set once, to remove one and set it anew would be a way around that: it takes an administrator. */
async function remove({ serving, request, reply, namespace: name, key }: Exchange): Promise<void> {
  const caller = await admit(serving, request, name, 'write');
  const namespace = serving.store.namespace(name);
  if (namespace.rules.overwrite?.kv === 'first-wins') serving.require(caller, name, 'admin');
  const isThere = isKey(key) && (await namespace.remove('kv', key, writerOfRequest(request, caller)));
  await reply.code(isThere ? 204 : 404).send();
}

async function describe({ serving, request, reply, namespace: name, key }: Exchange): Promise<void> {
  await admit(serving, request, name, 'read');
  const namespace = serving.store.namespace(name);
  const properties = await propertiesOf(namespace, key, request.raw.url ?? '');
  if (properties === undefined) return void (await reply.code(404).send());
  await reply.code(207).type('application/xml; charset=utf-8').send(properties);
}

/** Collections need no making: every name with a slash at its end is one. */
async function makeCollection({ serving, request, reply, namespace, key }: Exchange): Promise<void> {
  await admit(serving, request, namespace, 'write');
  const taken = isKey(key) && (await serving.store.namespace(namespace).lookup('kv', [key])) !== undefined;
  await reply.code(taken ? 405 : 201).send();
}

function isKey(key: string): boolean {
  return key !== '' && !key.endsWith('/');
}

/** What is said to be full or too large is 413, which Gradle takes; after 5xx it would not ask again in this build. */
function addErrors(app: FastifyInstance, { log, metrics }: Serving): void {
  app.setErrorHandler((error, request, reply) => {
    const status = statusOf(error) ?? 500;
    if (status >= 500 && status !== 507) {
      log.error({ error, method: request.method, route: request.routeOptions.url }, 'a request failed');
    }
    const { error: code, message, hint } = errorDocument(error);
    metrics.refused('kv', code);
    if (status === 401) reply.header('www-authenticate', 'Basic realm="artifact-cache"');
    return reply
      .code(status === 507 ? 413 : status)
      .type('text/plain; charset=utf-8')
      .send(hint ? `${message}; ${hint}\n` : `${message}\n`);
  });
}
