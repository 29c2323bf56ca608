import { cacheMissingRequestSchema, cacheMissingResponseSchema } from '@waybill/contracts';
import { ArtifactCacheError } from '../errors.js';
import { receiveBody } from '../protocols/receive-body.js';
import { sendBlob } from '../protocols/send-blob.js';
import type { Serving } from '../serving/serving.js';
import { invalid, jsonOf } from './json-request.js';
import type { NamespaceCall, NamespaceRoute } from './route.js';

/** Bytes by their digest. */
export function blobRoutes(serving: Serving): NamespaceRoute[] {
  const { metrics, limits } = serving;
  const send = async ({ request, reply, namespace, name, caller }: NamespaceCall) => {
    const isShared = serving.may({ ...caller, grants: [] }, namespace.name, 'read');
    const options = { namespace, metrics, blob: { sha256: digestOf(name) }, protocol: 'native' as const };
    if (await sendBlob(request, reply, { ...options, isImmutable: true, isShared })) return reply;
    metrics.miss('native', namespace.name);
    throw new ArtifactCacheError('SERVER_NOT_FOUND', `blob ${name} is not in ${namespace.name}`);
  };
  return [
    {
      method: 'GET',
      path: '/blobs/:name',
      right: 'read',
      summary: 'Bytes by sha256; ranges and conditions',
      handle: send,
    },
    {
      method: 'HEAD',
      path: '/blobs/:name',
      right: 'read',
      summary: 'Whether a blob is there, and its size',
      handle: send,
    },
    {
      method: 'PUT',
      path: '/blobs/:name',
      right: 'write',
      summary: 'Stores a whole blob: its sha256 must be the one of the address',
      async handle({ request, reply, namespace, name, writer }) {
        const sha256 = digestOf(name);
        const blob = await receiveBody(request, { namespace, writer, sha256, maxBytes: limits.maxBlobBytes });
        metrics.received('native', namespace.name, blob.size);
        return reply.code(201).header('etag', `"${sha256}"`).send(blob);
      },
    },
    {
      method: 'POST',
      path: '/missing',
      right: 'read',
      summary: 'Which of many blobs the namespace lacks; the others stay for long enough to publish a name',
      body: cacheMissingRequestSchema,
      answer: cacheMissingResponseSchema,
      async handle({ request, namespace }) {
        const { blobs } = await jsonOf(request, cacheMissingRequestSchema);
        if (blobs.length > limits.maxBatch) throw invalid(`more than ${limits.maxBatch} blobs in one question`);
        const present = await namespace.present(blobs);
        return { missing: blobs.filter((_blob, index) => !present[index]) };
      },
    },
  ];
}

function digestOf(name: string): string {
  if (/^[0-9a-f]{64}$/.test(name)) return name;
  throw invalid(`${JSON.stringify(name.slice(0, 80))} is no sha256 in 64 lower-case hex digits`);
}
