import { type BlobStore, type Clock, type Logger, silentLogger, systemClock } from '@waybill/contracts';
import { openDatabase } from '@waybill/database';
import type { CacheStore, NamespaceRules } from '../cache-store.js';
import { listsOf } from './lists.js';
import { cacheMigrations, migrationsTable } from './schema.js';
import { SqlCacheStore } from './sql-cache-store.js';
import { defaultGraceMs } from './sweep.js';

/** What a cache is made of. */
export interface CacheStoreOptions {
  /** Index: `file:/path/index.sqlite`, `:memory:`, or `postgres://user:password@host:port/database`. */
  readonly database: string;
  /** Bytes; nobody else may store anything there. Who opened it closes it, after this store. */
  readonly blobs: BlobStore;
  /** undefined: there is no such namespace. Default: each name is a namespace without limits. */
  readonly rules?: ((namespace: string) => NamespaceRules | undefined) | undefined;
  /** How long what was said to be there stays, in milliseconds. Default 30 minutes. */
  readonly leaseMs?: number | undefined;
  /** How long bytes may be stored before the index knows of them, in milliseconds. Default one minute. */
  readonly graceMs?: number | undefined;
  /** Pause between collections, in milliseconds; 0: none but those that are asked for. Default one minute. */
  readonly maintenanceMs?: number | undefined;
  /** How long the audit log is kept, in milliseconds. Default 400 days. */
  readonly auditMs?: number | undefined;
  /** Whether to bring the schema up to date; otherwise an old one is an error. Default true. */
  readonly migrate?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/**
 * Opens the cache: names in a database, bytes in a blob store. The index is there at once, however large.
 * @throws DatabaseError STORE_UNAVAILABLE, STORE_FULL, STORE_SCHEMA_TOO_NEW, STORE_MIGRATION_FAILED, STORE_FAILED
 */
export async function openCacheStore(options: CacheStoreOptions): Promise<CacheStore> {
  const database = await openDatabase({
    url: options.database,
    migrations: cacheMigrations,
    migrationsTable,
    migrate: options.migrate,
    what: 'cache',
  });
  return new SqlCacheStore(database, listsOf(database.dialect), {
    blobs: options.blobs,
    rules: options.rules ?? (() => ({})),
    leaseMs: options.leaseMs ?? 30 * 60_000,
    graceMs: options.graceMs ?? defaultGraceMs,
    maintenanceMs: options.maintenanceMs ?? 60_000,
    auditMs: options.auditMs ?? 400 * 24 * 3600_000,
    clock: options.clock ?? systemClock,
    logger: options.logger ?? silentLogger,
  });
}
