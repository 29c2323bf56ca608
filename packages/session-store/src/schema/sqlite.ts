// The shape in SQLite. `postgres.ts` says the same with PostgreSQL's types; shape.test.ts compares the two.
import { sql } from 'drizzle-orm';
import { customType, index, integer, primaryKey, sqliteTable, sqliteView, text } from 'drizzle-orm/sqlite-core';
import type { Instants, JsonColumns } from './values.js';
import { digestCodec, instantCodec, jsonCodec } from './values.js';

const instant = customType<{ data: Date; driverData: Instants }>({ dataType: () => 'integer', ...instantCodec });
const digest = customType<{ data: string; driverData: Uint8Array }>({ dataType: () => 'blob', ...digestCodec });
const json = <Key extends keyof JsonColumns>(name: string) =>
  customType<{ data: JsonColumns[Key]; driverData: string }>({ dataType: () => 'text', ...jsonCodec })(name);

/** Configurations of sessions, each once: many sessions share one, and it may be some megabytes. */
export const configurations = sqliteTable('configurations', {
  /** Digest of the text. */
  key: text('key').primaryKey(),
  configuration: json<'object'>('configuration').notNull(),
});

export const sessions = sqliteTable(
  'sessions',
  {
    /** Never used again: what a deleted session left behind must not become a later one's. */
    key: integer('key').primaryKey({ autoIncrement: true }),
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

/** What finished exchanges left, in the order they were recorded: appended, never changed. */
export const records = sqliteTable(
  'records',
  {
    id: integer('id').primaryKey(),
    /** Of a session whose deletion has ended there is no record: see `Driver.removeRecords`. */
    session: integer('session').notNull(),
    /** `d`: a download; `r`: a refusal or failure; `a`: an answer without artifact. */
    kind: text('kind').notNull(),
    sha256: digest('sha256'),
    size: integer('size'),
    /** What refusals and answers are sorted by. */
    at: instant('at').notNull(),
    /** See payload.ts. */
    payload: text('payload').notNull(),
  },
  (table) => [
    // Downloads, which are many, are entered in indexed_downloads when somebody asks.
    index('records_by_time').on(table.session, table.kind, table.at).where(sql`kind <> 'd'`),
    index('records_by_digest').on(table.sha256).where(sql`kind <> 'd' and sha256 is not null`),
  ],
);

/** Which downloads there are of an artifact, as far as `index_state` says. */
export const indexedDownloads = sqliteTable(
  'indexed_downloads',
  {
    session: integer('session').notNull(),
    sha256: digest('sha256').notNull(),
    id: integer('id').notNull(),
    size: integer('size').notNull(),
  },
  (table) => [
    // Without a rowid of its own (migrations).
    primaryKey({ columns: [table.session, table.sha256, table.id] }),
    index('indexed_downloads_by_digest').on(table.sha256),
  ],
);

/** One row: downloads up to this record are in `indexed_downloads`. */
export const indexState = sqliteTable('index_state', {
  id: integer('id').primaryKey(),
  indexed: integer('indexed').notNull(),
});

/** `indexed_downloads` and those that are not in it yet. */
export const downloadIndex = sqliteView('download_index', {
  session: integer('session').notNull(),
  sha256: digest('sha256').notNull(),
  id: integer('id').notNull(),
  size: integer('size').notNull(),
}).existing();

const download = {
  session: integer('session').notNull(),
  sha256: digest('sha256').notNull(),
  id: integer('id').notNull(),
  payload: text('payload').notNull(),
};

/** The same with what was recorded. */
export const downloads = sqliteView('downloads', download).existing();

/** Those of them that are in `indexed_downloads`. */
export const enteredDownloads = sqliteView('entered_downloads', download).existing();

/** Artifacts that stand for others, once for each session: they are referred to even if this session did not load them. */
export const sessionVouchers = sqliteTable(
  'session_vouchers',
  { session: integer('session').notNull(), sha256: digest('sha256').notNull() },
  (table) => [
    primaryKey({ columns: [table.session, table.sha256] }),
    index('session_vouchers_by_digest').on(table.sha256),
  ],
);

/** Indexes that a session trusts. */
export const sessionCatalogs = sqliteTable(
  'session_catalogs',
  {
    session: integer('session').notNull(),
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
export const sessionChanges = sqliteTable('session_changes', {
  seq: integer('seq').primaryKey({ autoIncrement: true }),
  sessionId: text('session_id').notNull(),
  handle: text('handle').notNull(),
});

/** One row, written by each readiness check. */
export const pings = sqliteTable('pings', { id: integer('id').primaryKey(), at: instant('at').notNull() });

/** What queries name. */
export const tables = {
  configurations,
  sessions,
  records,
  downloadIndex,
  indexedDownloads,
  downloads,
  enteredDownloads,
  sessionVouchers,
  sessionCatalogs,
  sessionChanges,
  pings,
};
