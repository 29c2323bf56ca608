import type { BlobStore, BlobWriter } from '@waybill/contracts';
import { forwardTo } from '../blobs/forward-to.js';
import { FetchServiceError } from '../errors.js';
import { formatBytes } from './gc-settings.js';

/** How old a process's idea of what all of them hold may be. */
const refreshMs = 2_000;

/** When bodies are refused, and who is told. */
export interface QuotaOptions {
  readonly quotaBytes: number;
  /** Removes what may go, so that so many bytes fit in; what is needed may still be too much. */
  readonly makeRoom: (bytes: number) => Promise<void>;
}

/**
 * The hard limit: a body that would pass the quota waits until room is made for it; when bodies that are needed fill it, it is
 * refused with a clear error. What several processes take in within two seconds may pass the quota by that much.
 */
export function guardQuota(blobs: BlobStore, { quotaBytes, makeRoom }: QuotaOptions): BlobStore {
  /** As the store said last. */
  let stored = 0;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  /** On their way in, here. */
  let incoming = 0;
  /** Committed here since the store was asked. */
  let committed = 0;

  async function read(): Promise<void> {
    const before = committed;
    stored = (await blobs.usage()).bytes;
    committed -= before;
    readAt = performance.now();
  }

  function refresh(): Promise<void> {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  }

  async function reserve(bytes: number): Promise<void> {
    if (performance.now() - readAt > refreshMs) await refresh();
    if (take(bytes)) return;
    await makeRoom(incoming + bytes);
    await refresh();
    if (!take(bytes)) throw quotaFull(quotaBytes, stored + committed + incoming);
  }

  function take(bytes: number): boolean {
    if (stored + committed + incoming + bytes > quotaBytes) return false;
    incoming += bytes;
    return true;
  }

  function guarded(writer: BlobWriter): BlobWriter {
    let reserved = 0;
    const settle = () => {
      incoming -= reserved;
      const settled = reserved;
      reserved = 0;
      return settled;
    };
    return {
      get size() {
        return writer.size;
      },
      async write(chunk) {
        await reserve(chunk.byteLength);
        reserved += chunk.byteLength;
        await writer.write(chunk);
      },
      async commit() {
        const info = await writer.commit();
        committed += settle();
        return info;
      },
      async abort() {
        settle();
        await writer.abort();
      },
    };
  }

  return { ...forwardTo(blobs), create: (options) => guarded(blobs.create(options)) };
}

function quotaFull(quotaBytes: number, held: number): FetchServiceError {
  const found = `bodies take ${formatBytes(held)} of the quota of ${formatBytes(quotaBytes)}, and there is no room for this one`;
  return new FetchServiceError('FETCH_QUOTA_FULL', found, {
    hint: 'delete resources of sessions that are over, keep sessions shorter (--keep-sessions), or raise --spool-quota; fetchctl gc tells what it can free',
  });
}
