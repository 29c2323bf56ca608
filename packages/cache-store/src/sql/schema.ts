import { createHash } from 'node:crypto';
import type { Migration } from '@waybill/database';

type Dialect = 'sqlite' | 'postgres';

/** `ID` and `TEXT` are what differs: a number that is given out once, and text in the order of its bytes. */
const changes: readonly { readonly made: string; readonly statements: readonly string[] }[] = [
  {
    made: '2026-11-20T21:00:00Z',
    statements: [
      `create table cache_namespaces (id ID, name TEXT not null unique, sequence bigint not null default 0,
        bytes bigint not null default 0, blobs bigint not null default 0, entries bigint not null default 0)`,
      // refs: how many names of the namespace need it.
      `create table cache_blobs (namespace bigint not null, sha256 TEXT not null, size bigint not null, used bigint not null,
        lease_until bigint not null, refs bigint not null, primary key (namespace, sha256))`,
      'create index cache_blobs_free on cache_blobs (namespace, used) where refs = 0',
      'create index cache_blobs_sha256 on cache_blobs (sha256)',
      `create table cache_entries (id ID, namespace bigint not null, kind TEXT not null, key TEXT not null, sha256 TEXT not null,
        size bigint not null, metadata TEXT not null, principal TEXT not null, client TEXT, address TEXT,
        created_at bigint not null, used bigint not null, used_at bigint not null, lease_until bigint not null,
        expires_at bigint, pinned bigint not null default 0)`,
      'create unique index cache_entries_key on cache_entries (namespace, kind, key)',
      'create index cache_entries_unpinned on cache_entries (namespace, used) where pinned = 0',
      'create index cache_entries_expiry on cache_entries (namespace, expires_at) where expires_at is not null',
      // Place 0 is the value, then come the references in their order.
      `create table cache_references (entry bigint not null, place bigint not null, namespace bigint not null,
        sha256 TEXT not null, size bigint not null, primary key (entry, place))`,
      'create index cache_references_sha256 on cache_references (sha256, namespace)',
      'create table cache_doomed (sha256 TEXT primary key, since bigint not null)',
      `create table cache_audit (id ID, at bigint not null, namespace TEXT not null, action TEXT not null, kind TEXT, key TEXT,
        sha256 TEXT, principal TEXT not null, client TEXT, address TEXT, detail TEXT)`,
      'create index cache_audit_namespace on cache_audit (namespace, id)',
      'create index cache_audit_principal on cache_audit (principal, id)',
      `create table cache_principals (id TEXT primary key, kind TEXT not null, value TEXT not null, public_key TEXT,
        grants TEXT not null, created_at bigint not null, expires_at bigint, comment TEXT, unique (kind, value))`,
      'create table cache_locks (name TEXT primary key, owner TEXT not null, until bigint not null)',
    ],
  },
];

const words: Readonly<Record<Dialect, Readonly<Record<string, string>>>> = {
  sqlite: { ID: 'integer primary key autoincrement', TEXT: 'text' },
  postgres: { ID: 'bigint generated always as identity primary key', TEXT: 'text collate "C"' },
};

/** Where it is noted which of the changes were made. */
export const migrationsTable = 'cache_migrations';

/** The schema of the index. */
export function cacheMigrations(dialect: Dialect): readonly Migration[] {
  return changes.map(({ made, statements }) => ({
    made: Date.parse(made),
    digest: createHash('sha256').update(statements.join(';')).digest('hex'),
    statements: statements.map((text) => text.replace(/\b(ID|TEXT)\b/g, (word) => words[dialect][word] ?? word)),
  }));
}
