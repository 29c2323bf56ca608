import type { CacheBlob, CacheNamespace, CacheWriter } from '@waybill/cache-store';
import type { ReceiveFrame } from '@waybill/contracts';
import { ReceiveError } from './receive-error.js';

/**
 * Takes the bytes of one blob, verified and durable when it resolves. On any error nothing of it is left.
 * @throws ReceiveError RECEIVE_UNEXPECTED, CacheStoreError
 */
export async function receiveBlob(
  namespace: CacheNamespace,
  { blob, writer }: { readonly blob: CacheBlob; readonly writer: CacheWriter },
  frames: AsyncGenerator<ReceiveFrame>,
): Promise<CacheBlob> {
  const upload = await namespace.upload({ writer, sha256: blob.sha256, size: blob.size });
  try {
    while (upload.size < blob.size) {
      const next = await frames.next();
      if (next.done) throw new ReceiveError('RECEIVE_UNEXPECTED', 'the client has gone in the middle of a blob');
      const { type, payload } = next.value;
      if (type !== 'data') throw new ReceiveError('RECEIVE_UNEXPECTED', `expected data of a blob, got ${type}`);
      if (payload.length === 0) throw new ReceiveError('RECEIVE_UNEXPECTED', 'an empty frame in the middle of a blob');
      await upload.write(payload);
    }
    return await upload.commit();
  } finally {
    await upload.abort();
  }
}
