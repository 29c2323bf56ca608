// The shape in PostgreSQL. `sqlite.ts` says the same with SQLite's types; shape.test.ts compares the two.
import { sql } from 'drizzle-orm';
import { bigint, boolean, customType, index, integer, pgTable, primaryKey } from 'drizzle-orm/pg-core';
import type { Instants, JsonColumns } from './values.js';
import { instantCodec, jsonCodec } from './values.js';

/** Compared byte by byte, as SQLite does, whatever the database's locale: report order must not depend on it. */
const text = customType<{ data: string; driverData: string }>({ dataType: () => 'text COLLATE "C"' });
const instant = customType<{ data: Date; driverData: Instants }>({ dataType: () => 'bigint', ...instantCodec });
/** `json` keeps the text as it is; `jsonb` would sort keys and refuse \u0000. */
const json = <Key extends keyof JsonColumns>(name: string) =>
  customType<{ data: JsonColumns[Key]; driverData: string }>({ dataType: () => 'json', ...jsonCodec })(name);
const bytes = (name: string) => bigint(name, { mode: 'number' });

export const sessions = pgTable(
  'sessions',
  {
    id: text('id').primaryKey(),
    tokenDigest: text('token_digest').notNull(),
    policy: text('policy').notNull(),
    state: text('state').notNull(),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    endedAt: instant('ended_at'),
    configuration: json<'object'>('configuration').notNull(),
    secretPatterns: json<'texts'>('secret_patterns').notNull(),
  },
  (table) => [index('sessions_by_state').on(table.state, table.createdAt)],
);

const sessionId = () =>
  text('session_id')
    .notNull()
    .references(() => sessions.id, { onDelete: 'cascade' });

/** What every record of an exchange says about the request. */
const request = () => ({
  startedAt: instant('started_at').notNull(),
  method: text('method').notNull(),
  url: text('url').notNull(),
  address: text('address').notNull(),
  userAgent: text('user_agent').notNull(),
  requestHeader: json<'headers'>('request_header').notNull(),
});

/** What every record of an answered exchange says about the response. */
const response = () => ({
  endedAt: instant('ended_at').notNull(),
  statusCode: integer('status_code').notNull(),
  status: text('status').notNull(),
  contentType: text('content_type').notNull(),
  responseHeader: json<'headers'>('response_header').notNull(),
  responseTrailer: json<'headers'>('response_trailer'),
  delivery: text('delivery').notNull(),
});

export const artifacts = pgTable(
  'artifacts',
  { sessionId: sessionId(), sha256: text('sha256').notNull(), size: bytes('size').notNull() },
  (table) => [primaryKey({ columns: [table.sessionId, table.sha256] }), index('artifacts_by_sha256').on(table.sha256)],
);

/** A distinct judgement of an artifact, kept once however many downloads it was given to. */
export const judgements = pgTable(
  'judgements',
  {
    sessionId: sessionId(),
    sha256: text('sha256').notNull(),
    /** Digest of the content. */
    key: text('key').notNull(),
    result: text('result').notNull(),
    metadata: json<'metadata'>('metadata').notNull(),
    requestInspection: json<'inspections'>('request_inspection').notNull(),
    responseInspection: json<'inspections'>('response_inspection').notNull(),
    provides: json<'catalogs'>('provides').notNull(),
  },
  (table) => [primaryKey({ columns: [table.sessionId, table.sha256, table.key] })],
);

/** Who stands for an artifact, in the order the judgement named them. */
export const vouches = pgTable(
  'vouches',
  {
    sessionId: sessionId(),
    sha256: text('sha256').notNull(),
    judgement: text('judgement').notNull(),
    position: integer('position').notNull(),
    kind: text('kind').notNull(),
    /** sha256 of the vouching artifact, or the id of the trust root. */
    voucher: text('voucher').notNull(),
    inspector: text('inspector'),
    name: text('name').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.sessionId, table.sha256, table.judgement, table.position] }),
    index('vouches_by_artifact').on(table.voucher).where(sql`kind = 'artifact'`),
  ],
);

export const downloads = pgTable(
  'downloads',
  {
    sessionId: sessionId(),
    sha256: text('sha256').notNull(),
    id: text('id').notNull(),
    judgement: text('judgement').notNull(),
    ...request(),
    ...response(),
  },
  (table) => [primaryKey({ columns: [table.sessionId, table.sha256, table.startedAt, table.id] })],
);

export const responses = pgTable(
  'responses',
  {
    sessionId: sessionId(),
    id: text('id').notNull(),
    ...request(),
    requestInspection: json<'inspections'>('request_inspection').notNull(),
    ...response(),
    note: text('note').notNull(),
    result: text('result'),
    sha256: text('sha256'),
    size: bytes('size'),
  },
  (table) => [
    primaryKey({ columns: [table.sessionId, table.startedAt, table.id] }),
    index('responses_by_sha256').on(table.sha256).where(sql`sha256 is not null`),
  ],
);

export const refusals = pgTable(
  'refusals',
  {
    sessionId: sessionId(),
    at: instant('at').notNull(),
    id: text('id').notNull(),
    kind: text('kind').notNull(),
    phase: text('phase').notNull(),
    ...request(),
    requestInspection: json<'inspections'>('request_inspection').notNull(),
    statusCode: integer('status_code').notNull(),
    reason: text('reason').notNull(),
    hint: text('hint'),
    inspector: text('inspector'),
    delivered: boolean('delivered').notNull(),
    sha256: text('sha256'),
    size: bytes('size'),
    responseInspection: json<'inspections'>('response_inspection').notNull(),
    /** The download that was refused, when there is one. */
    downloadSha256: text('download_sha256'),
    downloadId: text('download_id'),
  },
  (table) => [
    primaryKey({ columns: [table.sessionId, table.at, table.id] }),
    index('refusals_by_sha256').on(table.sha256).where(sql`sha256 is not null`),
    index('refusals_by_download').on(table.sessionId, table.downloadSha256).where(sql`download_sha256 is not null`),
  ],
);

/** Indexes that a session trusts. */
export const sessionCatalogs = pgTable(
  'session_catalogs',
  {
    sessionId: sessionId(),
    scope: text('scope').notNull(),
    /** Digest of the scope: a scope may be longer than an index entry can be. */
    scopeKey: text('scope_key').notNull(),
    /** Digest of the content: the same catalog is trusted once. */
    key: text('key').notNull(),
    /** Orders them: the id of the download that brought it first. */
    id: text('id').notNull(),
    kind: text('kind').notNull(),
    sha256: text('sha256').notNull(),
    inspector: text('inspector').notNull(),
    url: text('url').notNull(),
    name: text('name').notNull(),
    attributes: json<'attributes'>('attributes'),
  },
  (table) => [
    primaryKey({ columns: [table.sessionId, table.scopeKey, table.key] }),
    index('session_catalogs_by_sha256').on(table.sha256),
  ],
);

/** One row, written by each readiness check. */
export const pings = pgTable('pings', { id: integer('id').primaryKey(), at: instant('at').notNull() });

/** All tables, in an order that satisfies references. */
export const tables = {
  sessions,
  artifacts,
  judgements,
  vouches,
  downloads,
  responses,
  refusals,
  sessionCatalogs,
  pings,
};
