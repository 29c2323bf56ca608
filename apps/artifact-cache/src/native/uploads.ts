import { CacheStoreError } from '@waybill/cache-store';
import { cacheUploadRequestSchema, cacheUploadResponseSchema } from '@waybill/contracts';
import { ArtifactCacheError } from '../errors.js';
import { bodyOf } from '../http/body.js';
import type { Serving } from '../serving/serving.js';
import { invalid, jsonOf } from './json-request.js';
import { createOpenUploads, type OpenUpload } from './open-uploads.js';
import type { NamespaceCall, NamespaceRoute } from './route.js';

/** Uploads that go on where a connection broke. They end with the process: what is not whole by then is begun again. */
export function uploadRoutes(serving: Serving): { routes: NamespaceRoute[]; close: () => Promise<void> } {
  const uploads = createOpenUploads();
  const find = ({ name, namespace, caller }: NamespaceCall): OpenUpload => {
    const found = uploads.find(name);
    // Another principal's upload is none of the caller's business, not even that it exists.
    if (found && found.namespace === namespace.name && found.principal === caller.principal) return found;
    throw new ArtifactCacheError('SERVER_UPLOAD_UNKNOWN', 'there is no such upload, or not any more', {
      hint: 'ask whether the blob is there, and begin another upload if not',
    });
  };
  const routes: NamespaceRoute[] = [
    {
      method: 'POST',
      path: '/uploads',
      right: 'write',
      summary: 'Begins an upload; room for it is reserved',
      body: cacheUploadRequestSchema,
      answer: cacheUploadResponseSchema,
      async handle({ request, reply, namespace, caller, writer }) {
        const blob = await jsonOf(request, cacheUploadRequestSchema);
        if (blob.size > serving.limits.maxBlobBytes) {
          throw new CacheStoreError('CACHE_BLOB_TOO_LARGE', `at most ${serving.limits.maxBlobBytes} bytes are taken`);
        }
        const upload = await namespace.upload({ ...blob, writer });
        const id = await uploads.add({
          upload,
          size: blob.size,
          namespace: namespace.name,
          principal: caller.principal,
        });
        const location = `/v1/namespaces/${encodeURIComponent(namespace.name)}/uploads/${id}`;
        return reply.code(201).header('location', location).send({ id, offset: 0 });
      },
    },
    {
      method: 'HEAD',
      path: '/uploads/:name',
      right: 'write',
      summary: 'Where an upload goes on: Upload-Offset',
      async handle(call) {
        const { upload, size } = find(call);
        const headers = { 'upload-offset': upload.size, 'upload-length': size, 'cache-control': 'no-store' };
        return call.reply.code(200).headers(headers).send();
      },
    },
    {
      method: 'PATCH',
      path: '/uploads/:name',
      right: 'write',
      summary: 'Sends bytes from Upload-Offset on; with the last one the blob is verified and there',
      async handle(call) {
        const open = find(call);
        const offset = offsetOf(call);
        return await uploads.exclusively(open, async () => {
          if (offset !== open.upload.size) {
            throw new ArtifactCacheError(
              'SERVER_UPLOAD_OFFSET',
              `the upload is at byte ${open.upload.size}, these are for byte ${offset}`,
              { hint: 'ask with HEAD where to go on' },
            );
          }
          return await take(call, open);
        });
      },
    },
    {
      method: 'DELETE',
      path: '/uploads/:name',
      right: 'write',
      summary: 'Gives an upload up; its room is free again',
      async handle(call) {
        await uploads.end(find(call));
        return call.reply.code(204).send();
      },
    },
  ];

  async function take({ request, reply, namespace }: NamespaceCall, open: OpenUpload) {
    const { upload, size } = open;
    const failed = async (error: unknown) => {
      await uploads.end(open);
      throw error;
    };
    for await (const chunk of bodyOf(request.raw)) {
      // Bytes that are wrong do not get right by going on; a connection that breaks throws from the loop, and keeps the upload.
      await upload.write(chunk).catch(failed);
    }
    if (upload.size < size) return reply.code(204).header('upload-offset', upload.size).send();
    const blob = await upload.commit().catch(failed);
    await uploads.end(open);
    serving.metrics.received('native', namespace.name, blob.size);
    return reply.code(201).header('upload-offset', blob.size).send(blob);
  }
  return { routes, close: () => uploads.close() };
}

function offsetOf({ request }: NamespaceCall): number {
  const { 'upload-offset': offset } = request.headers;
  if (typeof offset === 'string' && /^\d{1,15}$/.test(offset)) return Number(offset);
  throw invalid('the header field Upload-Offset must say where the bytes go');
}
