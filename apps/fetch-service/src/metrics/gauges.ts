import type { BlobStore, SessionStore } from '@waybill/contracts';
import type { InspectorRuntime } from '@waybill/inspectors';
import type { ProxyServer } from '@waybill/proxy';
import type { ServiceMetrics } from './service-metrics.js';

/** What is looked at. */
export interface GaugeSources {
  readonly proxy: Pick<ProxyServer, 'stats'>;
  readonly inspectors: Pick<InspectorRuntime, 'stats'>;
  readonly store: Pick<SessionStore, 'usage'>;
  readonly blobs: Pick<BlobStore, 'usage'>;
  readonly quotaBytes: number | undefined;
  readonly liveSessions: () => number;
}

/** Numbers of the moment, read when somebody asks. */
export function addGauges({ gauge }: ServiceMetrics, sources: GaugeSources): void {
  const { proxy, inspectors, store, blobs, liveSessions, quotaBytes } = sources;
  // What every process knows of all of them is not to be added up.
  gauge('waybill_sessions_live', 'Sessions that are open or revoked', liveSessions, 'max');
  gauge('waybill_proxy_connections', 'Client connections of the proxy', () => proxy.stats().connections);
  gauge('waybill_proxy_tunnels', 'Of these, tunnels that are ready for requests', () => proxy.stats().tunnels);
  gauge('waybill_proxy_exchanges', 'Exchanges under way', () => proxy.stats().exchanges);
  gauge('waybill_proxy_exchanges_waiting', 'Exchanges that wait for their turn', () => proxy.stats().waiting);
  gauge('waybill_proxy_records_waiting', 'Records that wait to become durable', () => proxy.stats().recording);
  gauge('waybill_upstream_origins', 'Origins with kept connections', () => proxy.stats().upstream.origins);
  gauge('waybill_upstream_connections', 'Connections to upstreams', () => proxy.stats().upstream.connections);
  gauge('waybill_upstream_running', 'Requests that upstreams work on', () => proxy.stats().upstream.running);
  gauge('waybill_upstream_queued', 'Requests that wait for a connection', () => proxy.stats().upstream.queued);
  gauge('waybill_catalogs', 'Parsed indexes in memory', () => inspectors.stats().entries);
  gauge('waybill_catalog_bytes', 'What they weigh', () => inspectors.stats().bytes);
  gauge('waybill_catalog_hits', 'Uses of a parsed index since the start', () => inspectors.stats().hits);
  gauge('waybill_catalog_parses', 'Indexes parsed since the start', () => inspectors.stats().parses);
  const storeBytes = async () => (await store.usage()).databaseBytes;
  gauge('waybill_store_bytes', 'What records and their indexes take', storeBytes, 'max');
  gauge('waybill_blob_bytes', 'What bodies take', async () => (await blobs.usage()).bytes, 'max');
  gauge('waybill_blobs', 'Bodies', async () => (await blobs.usage()).count, 'max');
  gauge('waybill_spool_quota_bytes', 'What bodies may take; 0 = the disk decides', () => quotaBytes ?? 0, 'max');
}
