import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openBlobStore } from '@waybill/blob-store';
import { type CacheStore, openCacheStore } from '@waybill/cache-store';
import { type Logger, silentLogger } from '@waybill/contracts';
import { configuredNamespaces } from '../config/namespace-rules.js';
import type { CacheConfig } from '../config/schema.js';
import { createCacheMetrics } from '../serving/cache-metrics.js';
import { createServing } from '../serving/create-serving.js';
import { createOidc } from '../serving/oidc.js';
import type { Serving } from '../serving/serving.js';

/** A cache that is open in this process; several may be, over one configuration. */
export interface OpenCache {
  readonly store: CacheStore;
  readonly serving: Serving;
  close(): Promise<void>;
}

/** @throws BlobStoreError, DatabaseError when bytes or index cannot be opened */
export async function openCache(
  config: CacheConfig,
  {
    log = silentLogger,
    maintenance = false,
  }: { readonly log?: Logger | undefined; readonly maintenance?: boolean | undefined } = {},
): Promise<OpenCache> {
  const { database } = config.storage;
  const { lease: leaseMs, 'max-blob': maxBlobBytes, 'max-batch': maxBatch } = config.limits;
  if (database.startsWith('file:')) await mkdir(dirname(database.slice('file:'.length)), { recursive: true });
  const blobs = await openBlobStore({ url: config.storage.blobs, slot: 'auto', logger: log });
  try {
    const namespaces = configuredNamespaces(config);
    const store = await openCacheStore({
      database,
      blobs,
      rules: namespaces.rules,
      logger: log,
      leaseMs,
      // One-off commands leave collecting to the server.
      ...(maintenance ? {} : { maintenanceMs: 0 }),
    });
    const serving = createServing({
      store,
      log,
      metrics: createCacheMetrics((name) => namespaces.patternOf(name) ?? 'unknown'),
      limits: { ...(maxBlobBytes ? { maxBlobBytes } : {}), ...(maxBatch ? { maxBatch } : {}) },
      links: { pullUrl: config['pull-url'], pushUrl: config['push-url'] },
      isPublic: namespaces.isPublic,
      federated: config.oidc.length > 0 ? createOidc(config.oidc) : undefined,
    });
    return {
      store,
      serving,
      async close() {
        await store.close();
        await blobs.close();
      },
    };
  } catch (cause) {
    await blobs.close();
    throw cause;
  }
}
