import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import type { CacheBlob, CacheNamespace } from '@waybill/cache-store';
import {
  type BatchUpdateBlobsRequest_Request,
  Compressor_Value,
  type ContentAddressableStorage,
} from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import type { Serving } from '../serving/serving.js';
import { callerOf, type Entered, enter } from './calls.js';
import { maxBatchBytes } from './capabilities.js';
import { checkDigestFunction, invalid, readDigest, toDigest } from './digest.js';
import { createGetTree } from './get-tree.js';
import { mapInOrder } from './in-order.js';
import { toConnectError, toStatus } from './status.js';
import { deflateBlob, inflateBlob } from './zstd.js';

/** Blobs of one batch that are under way at once. */
const atOnce = 8;

/** Blobs by digest, many at a time; what is too big for that goes through ByteStream. Chunk mappings are not spoken. */
export function createContentAddressableStorage(
  serving: Serving,
): Partial<ServiceImpl<typeof ContentAddressableStorage>> {
  return {
    async findMissingBlobs(request, context) {
      const { space } = await enter(serving, context, { instance: request.instanceName, right: 'read' });
      checkDigestFunction(request.digestFunction);
      const blobs = request.blobDigests.map((digest) => readDigest(digest));
      return { missingBlobDigests: (await missingOf(space, blobs, serving.limits.maxBatch)).map(toDigest) };
    },

    async batchUpdateBlobs(request, context) {
      // Before rights: BuildStream 1 asks that way whether batches are spoken, and takes a refusal for a broken server.
      if (request.requests.length === 0) {
        await callerOf(serving, context);
        return { responses: [] };
      }
      const entered = await enter(serving, context, { instance: request.instanceName, right: 'write' });
      checkDigestFunction(request.digestFunction);
      checkTotal(request.requests.reduce((sum, { data }) => sum + data.length, 0));
      const responses = await mapInOrder(request.requests, atOnce, async (one) => ({
        ...(one.digest ? { digest: one.digest } : {}),
        status: await storeOne(serving, entered, one),
      }));
      return { responses };
    },

    async batchReadBlobs(request, context) {
      const { space } = await enter(serving, context, { instance: request.instanceName, right: 'read' });
      checkDigestFunction(request.digestFunction);
      const blobs = request.digests.map((digest) => readDigest(digest));
      checkTotal(blobs.reduce((sum, { size }) => sum + size, 0));
      const zstd = request.acceptableCompressors.includes(Compressor_Value.ZSTD);
      const responses = await mapInOrder(blobs, atOnce, async (blob) => ({
        digest: toDigest(blob),
        ...(await readOne(serving, space, { blob, zstd })),
      }));
      return { responses };
    },

    getTree: createGetTree(serving),
  };
}

async function missingOf(space: CacheNamespace, blobs: readonly CacheBlob[], atATime: number): Promise<CacheBlob[]> {
  const missing = new Map<string, CacheBlob>();
  for (let at = 0; at < blobs.length; at += atATime) {
    const slice = blobs.slice(at, at + atATime);
    const present = await space.present(slice);
    for (const [index, blob] of slice.entries()) {
      if (!present[index]) missing.set(`${blob.sha256}/${blob.size}`, blob);
    }
  }
  return [...missing.values()];
}

/** Each blob fares on its own: its outcome is a status in the answer, never that of the call. */
async function storeOne(
  serving: Serving,
  { space, writer }: Entered,
  { digest, data, compressor }: BatchUpdateBlobsRequest_Request,
) {
  try {
    const blob = readDigest(digest, 'a blob of the batch');
    if (blob.size > maxBatchBytes) throw invalid(`a blob of ${blob.size} bytes in a batch of at most ${maxBatchBytes}`);
    if (compressor !== Compressor_Value.IDENTITY && compressor !== Compressor_Value.ZSTD) {
      throw invalid(`compressor ${compressor} is not spoken here, only IDENTITY (0) and ZSTD (1)`);
    }
    const plain = compressor === Compressor_Value.ZSTD ? await inflateBlob(data, blob.size) : data;
    await storeBlob({ space, writer }, blob, plain);
    serving.metrics.received('reapi', space.name, plain.length);
    return { code: 0, message: '' };
  } catch (cause) {
    if (toConnectError(cause).code === Code.Internal) serving.log.error({ err: cause }, 'a blob of a batch failed');
    return toStatus(cause);
  }
}

/**
 * Stores a blob that is in memory.
 * @throws CacheStoreError CACHE_BLOB_MISMATCH, CACHE_FULL, CACHE_BLOB_TOO_LARGE, CACHE_READ_ONLY
 */
export async function storeBlob({ space, writer }: Entered, blob: CacheBlob, bytes: Uint8Array): Promise<void> {
  const upload = await space.upload({ writer, ...blob });
  try {
    if (bytes.length > 0) await upload.write(bytes);
    await upload.commit();
  } finally {
    await upload.abort();
  }
}

async function readOne(
  serving: Serving,
  space: CacheNamespace,
  { blob, zstd }: { readonly blob: CacheBlob; readonly zstd: boolean },
) {
  try {
    const data = await space.read(blob, maxBatchBytes);
    if (!data) {
      serving.metrics.miss('reapi', space.name);
      throw new ConnectError(`blob ${blob.sha256} of ${blob.size} bytes is not here`, Code.NotFound);
    }
    serving.metrics.hit('reapi', space.name);
    const deflated = zstd && data.length > 512 ? await deflateBlob(data) : data;
    const isSmaller = deflated.length < data.length;
    serving.metrics.sent('reapi', space.name, isSmaller ? deflated.length : data.length);
    return isSmaller ? { data: deflated, compressor: Compressor_Value.ZSTD } : { data };
  } catch (cause) {
    return { status: toStatus(cause) };
  }
}

function checkTotal(bytes: number): void {
  if (bytes > maxBatchBytes) throw invalid(`a batch of ${bytes} bytes, at most ${maxBatchBytes} are taken`);
}
