import type { SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy';
import type { SessionStoreError } from './errors.js';
import type { tables } from './schema/sqlite.js';

/** The tables, typed as SQLite's; PostgreSQL's have the same shape (shape.test.ts). */
export type Tables = typeof tables;

/** One of {@link Tables}. */
export type TableName = keyof Tables;

/** Rows of one table. All rows have all keys. */
export interface InsertBatch<Name extends TableName = TableName> {
  readonly table: Name;
  readonly rows: readonly Tables[Name]['$inferInsert'][];
  /** Rows whose key is there already are left out instead of failing. */
  readonly keepExisting: boolean;
}

/** Runs statements inside the migration's transaction. */
export interface MigrationSession {
  run(sql: string): Promise<void>;
  /** Rows as arrays. */
  rows(sql: string): Promise<readonly (readonly unknown[])[]>;
}

/** Everything that differs between databases. */
export interface Driver {
  /** Builds and runs queries; only what drizzle offers alike for both databases may be used. */
  readonly db: SqliteRemoteDatabase;
  readonly tables: Tables;
  /** Folder of the migrations below `migrations/`. */
  readonly migrations: string;
  /** Inserts that are worth running at the same time. */
  readonly writers: number;
  /** Inserts all or nothing, durably. */
  insert(batches: readonly InsertBatch[]): Promise<void>;
  /** Runs `work` in a transaction of its own that no other process can be in at the same time. */
  exclusively(work: (session: MigrationSession) => Promise<void>): Promise<void>;
  /** Puts an error of the database in our terms. */
  translate(error: unknown): SessionStoreError;
  close(): Promise<void>;
}
