import type { CacheEntry } from '@waybill/cache-store';
import {
  type CacheEntryDocument,
  cacheEntrySchema,
  cacheListSchema,
  cachePublishRequestSchema,
  cachePublishResponseSchema,
} from '@waybill/contracts';
import { z } from 'zod';
import { ArtifactCacheError } from '../errors.js';
import type { Serving } from '../serving/serving.js';
import { checkedValue, jsonOf } from './json-request.js';
import type { NamespaceCall, NamespaceRoute } from './route.js';

const querySchema = z.strictObject({
  prefix: z.string().max(1024).optional(),
  after: z.string().max(1024).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
const putSchema = cachePublishRequestSchema.omit({ keys: true });
const pinSchema = z.strictObject({ pinned: z.boolean() });

/** Names and what they stand for. */
export function entryRoutes(serving: Serving): NamespaceRoute[] {
  const { metrics } = serving;
  const show = async ({ reply, namespace, name }: NamespaceCall) => {
    const entry = await namespace.lookup('artifact', [name]);
    if (!entry) {
      metrics.miss('native', namespace.name);
      throw notFound(namespace.name, name);
    }
    metrics.hit('native', namespace.name);
    return reply.header('cache-control', 'private, no-cache').send(documentOf(entry));
  };
  return [
    {
      method: 'GET',
      path: '/entries/:name',
      right: 'read',
      summary: 'An entry',
      answer: cacheEntrySchema,
      handle: show,
    },
    { method: 'HEAD', path: '/entries/:name', right: 'read', summary: 'Whether there is an entry', handle: show },
    {
      method: 'PUT',
      path: '/entries/:name',
      right: 'write',
      summary: 'Sets one name',
      body: putSchema,
      answer: cachePublishResponseSchema,
      async handle(call) {
        const document = await jsonOf(call.request, putSchema);
        return await publish(call, { ...document, keys: [call.name] });
      },
    },
    {
      method: 'POST',
      path: '/entries',
      right: 'write',
      summary: 'Sets several names to one value, all or none',
      body: cachePublishRequestSchema,
      answer: cachePublishResponseSchema,
      handle: async (call) => publish(call, await jsonOf(call.request, cachePublishRequestSchema)),
    },
    {
      method: 'DELETE',
      path: '/entries/:name',
      right: 'admin',
      summary: 'Removes a name; its blobs stay until their room is wanted',
      async handle({ reply, namespace, name, writer }) {
        if (await namespace.remove('artifact', name, writer)) return reply.code(204).send();
        throw notFound(namespace.name, name);
      },
    },
    {
      method: 'GET',
      path: '/entries',
      right: 'read',
      summary: 'Entries by key, a page at a time',
      answer: cacheListSchema,
      async handle({ request, namespace }) {
        const { prefix, after, limit } = checkedValue(request.query, querySchema, 'query');
        const found = await namespace.list({
          kind: 'artifact',
          prefix,
          after: after === undefined ? undefined : { kind: 'artifact', key: after },
          limit: limit + 1,
        });
        const page = found.slice(0, limit);
        const last = found.length > limit ? page.at(-1)?.key : undefined;
        return { entries: page.map(documentOf), ...(last === undefined ? {} : { next: last }) };
      },
    },
    {
      method: 'PUT',
      path: '/pins/:name',
      right: 'admin',
      summary: 'Pins an entry, which keeps it from being evicted, or takes the pin off',
      body: pinSchema,
      async handle({ request, namespace, name, writer }) {
        const { pinned } = await jsonOf(request, pinSchema);
        if (!(await namespace.pin('artifact', name, pinned, writer))) throw notFound(namespace.name, name);
        return { pinned };
      },
    },
  ];
}

async function publish(
  { reply, namespace, writer }: NamespaceCall,
  { keys, value, references, metadata, overwrite }: z.output<typeof cachePublishRequestSchema>,
) {
  const publication = { kind: 'artifact', keys, value, references, metadata, overwrite } as const;
  const outcome = await namespace.publish(publication, writer);
  return reply.code(outcome === 'exists' ? 409 : outcome === 'created' ? 201 : 200).send({ outcome });
}

function documentOf(entry: CacheEntry): CacheEntryDocument {
  return {
    namespace: entry.namespace,
    key: entry.key,
    value: entry.value,
    references: [...entry.references],
    metadata: { ...entry.metadata },
    writer: entry.writer.principal,
    'created-at': entry.createdAt.toISOString(),
    'used-at': entry.usedAt.toISOString(),
    pinned: entry.pinned,
  };
}

function notFound(namespace: string, key: string): ArtifactCacheError {
  return new ArtifactCacheError('SERVER_NOT_FOUND', `${namespace} has no entry ${JSON.stringify(key.slice(0, 200))}`);
}
