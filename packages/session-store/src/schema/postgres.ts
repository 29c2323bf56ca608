// The shape in PostgreSQL. `sqlite.ts` says the same with SQLite's types; shape.test.ts compares the two.
import { sql } from 'drizzle-orm';
import { bigint, customType, index, integer, pgTable, pgView, primaryKey } from 'drizzle-orm/pg-core';
import type { Instants, JsonColumns } from './values.js';
import { digestCodec, instantCodec, jsonCodec } from './values.js';

/** Compared byte by byte, as SQLite does, whatever the database's locale: report order must not depend on it. */
const text = customType<{ data: string; driverData: string }>({ dataType: () => 'text COLLATE "C"' });
const instant = customType<{ data: Date; driverData: Instants }>({ dataType: () => 'bigint', ...instantCodec });
const digest = customType<{ data: string; driverData: Uint8Array }>({ dataType: () => 'bytea', ...digestCodec });
/** `json` keeps the text as it is; `jsonb` would sort keys and refuse \u0000. */
const json = <Key extends keyof JsonColumns>(name: string) =>
  customType<{ data: JsonColumns[Key]; driverData: string }>({ dataType: () => 'json', ...jsonCodec })(name);
const large = (name: string) => bigint(name, { mode: 'number' });

/** Configurations of sessions, each once: many sessions share one, and it may be some megabytes. */
export const configurations = pgTable('configurations', {
  /** Digest of the text. */
  key: text('key').primaryKey(),
  configuration: json<'object'>('configuration').notNull(),
});

export const sessions = pgTable(
  'sessions',
  {
    /** Never used again: what a deleted session left behind must not become a later one's. */
    key: large('key').primaryKey().generatedByDefaultAsIdentity(),
    /** Null while the session is being deleted: gone for readers and writers, while its records go step by step. */
    id: text('id').unique(),
    tokenDigest: text('token_digest').notNull(),
    policy: text('policy').notNull(),
    state: text('state').notNull(),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    endedAt: instant('ended_at'),
    /** Of sessions of before there was the table of configurations. */
    configuration: json<'object'>('configuration').notNull(),
    configurationKey: text('configuration_key').references(() => configurations.key),
    secretPatterns: json<'texts'>('secret_patterns').notNull(),
    sealedSecrets: text('sealed_secrets'),
    /** The handle that wrote the row last; a trigger passes it on to `session_changes`. */
    changedBy: text('changed_by').notNull().default(''),
  },
  (table) => [
    index('sessions_by_state').on(table.state, table.createdAt),
    index('sessions_by_configuration').on(table.configurationKey),
  ],
);

/** What finished exchanges left: appended, never changed. No key on `id`: nobody asks for it alone, and it would cost. */
export const records = pgTable(
  'records',
  {
    /** Rises nearly in the order of recording. */
    id: large('id').notNull().generatedByDefaultAsIdentity(),
    /** Of a session whose deletion has ended there is no record: see `Driver.removeRecords`. */
    session: large('session').notNull(),
    /** `d`: a download; `r`: a refusal or failure; `a`: an answer without artifact. */
    kind: text('kind').notNull(),
    sha256: digest('sha256'),
    size: large('size'),
    /** What refusals and answers are sorted by. */
    at: instant('at').notNull(),
    /** See payload.ts. */
    payload: text('payload').notNull(),
  },
  (table) => [
    // With the id, so that pages need no sorting.
    index('records_by_artifact').on(table.session, table.sha256, table.id).where(sql`kind = 'd'`),
    index('records_by_time').on(table.session, table.kind, table.at, table.id).where(sql`kind <> 'd'`),
    index('records_by_digest').on(table.sha256).where(sql`sha256 is not null`),
  ],
);

/** The downloads among the records. */
export const downloadIndex = pgView('download_index', {
  session: large('session').notNull(),
  sha256: digest('sha256').notNull(),
  id: large('id').notNull(),
  size: large('size').notNull(),
}).existing();

/** The same with what was recorded. */
export const downloads = pgView('downloads', {
  session: large('session').notNull(),
  sha256: digest('sha256').notNull(),
  id: large('id').notNull(),
  payload: text('payload').notNull(),
}).existing();

/**
 * Batches that were committed, for a while: one that is sent again after a connection broke is not written twice. Their ids
 * sort by time (ids.ts).
 */
export const recordBatches = pgTable('record_batches', { id: text('id').primaryKey() });

/** Artifacts that stand for others, once for each session: they are referred to even if this session did not load them. */
export const sessionVouchers = pgTable(
  'session_vouchers',
  { session: large('session').notNull(), sha256: digest('sha256').notNull() },
  (table) => [
    primaryKey({ columns: [table.session, table.sha256] }),
    index('session_vouchers_by_digest').on(table.sha256),
  ],
);

/** Indexes that a session trusts. */
export const sessionCatalogs = pgTable(
  'session_catalogs',
  {
    session: large('session').notNull(),
    /** Digest of the scope: a scope may be longer than an index entry can be. */
    scopeKey: text('scope_key').notNull(),
    /** Digest of the content: the same catalog is trusted once. */
    key: text('key').notNull(),
    /** Orders them. */
    id: text('id').notNull(),
    sha256: digest('sha256').notNull(),
    /** See payload.ts. */
    payload: text('payload').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.session, table.scopeKey, table.key] }),
    index('session_catalogs_by_sha256').on(table.sha256),
  ],
);

/** The latest changes of sessions, written by triggers (migrations) for those who watch. */
export const sessionChanges = pgTable('session_changes', {
  seq: large('seq').primaryKey().generatedByDefaultAsIdentity(),
  sessionId: text('session_id').notNull(),
  handle: text('handle').notNull(),
});

/** One row, written by each readiness check. */
export const pings = pgTable('pings', { id: integer('id').primaryKey(), at: instant('at').notNull() });

/** What queries name. */
export const tables = {
  configurations,
  sessions,
  records,
  downloadIndex,
  downloads,
  // Nothing is behind.
  indexedDownloads: downloadIndex,
  enteredDownloads: downloads,
  sessionVouchers,
  sessionCatalogs,
  sessionChanges,
  pings,
};
