import type { CacheBlob, CacheNamespace, CacheWriter, PublishOutcome } from '@waybill/cache-store';
import type { ActionResult } from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { createActionResultReader } from '../grpc/directories.js';
import { actionResultReferences, inlinedContents } from './action-result.js';

/** An action result on its way in. */
export interface StoreActionOptions {
  readonly namespace: CacheNamespace;
  /** Digest of the action. Whether it is a message that can be read is of no interest: moon's is JSON. */
  readonly hash: string;
  readonly result: ActionResult;
  /** The message as it is to be kept. */
  readonly bytes: Uint8Array;
  readonly writer: CacheWriter;
}

/**
 * Checks an action result, stores it with the contents that came inlined, and names it: found from then on for as long as
 * everything it needs is there.
 * @throws ActionResultError, CacheStoreError (CACHE_BLOB_MISSING for outputs that were not uploaded before)
 */
export async function storeActionResult(options: StoreActionOptions): Promise<PublishOutcome> {
  const { namespace, hash, result, bytes, writer } = options;
  const references = await actionResultReferences(result, createActionResultReader(namespace));
  for (const { blob, contents } of inlinedContents(result)) await storeBytes(namespace, contents, writer, blob);
  const value = await storeBytes(namespace, bytes, writer);
  return namespace.publish({ kind: 'action', keys: [hash], value, references }, writer);
}

/** Stores a small blob. @throws CacheStoreError CACHE_BLOB_MISMATCH when it is not what was announced */
export async function storeBytes(
  namespace: CacheNamespace,
  bytes: Uint8Array,
  writer: CacheWriter,
  announced?: CacheBlob,
): Promise<CacheBlob> {
  const upload = await namespace.upload({ writer, sha256: announced?.sha256, size: announced?.size ?? bytes.length });
  try {
    if (bytes.length > 0) await upload.write(bytes);
    return await upload.commit();
  } catch (error) {
    await upload.abort();
    throw error;
  }
}
