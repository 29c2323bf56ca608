import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileBlobStore } from '@waybill/blob-store';
import { fixedClock } from '@waybill/testkit';
import { createMemoryCacheStore, openCacheStore } from '../src/index.js';
import { type CacheStoreHarness, leaseMs } from './conformance/scene.js';

/** A directory of blobs, and an index beside it or elsewhere. */
export async function fileHarness(index?: {
  readonly url: string;
  remove(): Promise<void>;
}): Promise<CacheStoreHarness> {
  const dir = await mkdtemp(join(tmpdir(), 'waybill-cache-'));
  const clock = fixedClock();
  const blobs = await createFileBlobStore({ dir: join(dir, 'blobs'), hashThreads: 1 });
  return {
    clock,
    open: async (rules) =>
      await openCacheStore({
        database: index?.url ?? `file:${join(dir, 'index.sqlite')}`,
        blobs,
        rules,
        clock,
        leaseMs,
        // Blobs are removed however young they are: no other process is about to name them.
        graceMs: -3_600_000,
        maintenanceMs: 0,
      }),
    remove: async () => {
      await blobs.close();
      await index?.remove();
      await rm(dir, { recursive: true });
    },
    blobs,
  };
}

/** Forgets everything with the store. */
export async function memoryHarness(): Promise<CacheStoreHarness> {
  const clock = fixedClock();
  let kept: ReturnType<typeof createMemoryCacheStore> | undefined;
  return {
    clock,
    open: async (rules) => {
      kept ??= createMemoryCacheStore({ rules, clock });
      return kept;
    },
    remove: async () => undefined,
  };
}
