import type { BoundStatement, MigrationSession } from '@waybill/database';
import type { AnyColumn, SQL } from 'drizzle-orm';
import type { SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy';
import type { SessionStoreError } from './errors.js';
import type { RecordBatch } from './record-batch.js';
import type { tables } from './schema/sqlite.js';

/** The tables, typed as SQLite's; PostgreSQL's have the same shape (shape.test.ts). */
export type Tables = typeof tables;

/** How changes of other handles are noticed. */
export interface ChangeSource {
  readonly pollMs: number;
  /** How many numbers of changes may still become visible behind the newest one. */
  readonly lateNumbers: number;
  /** How long a record may take to become visible behind one with a higher number. */
  readonly lateMs: number;
  /** Calls `signal` when there may be changes, in addition to polling; returns how to stop. */
  onSignal?(signal: () => void): Promise<() => Promise<void>>;
}

/** Everything that differs between databases. */
export interface Driver {
  /** Builds and runs queries; only what drizzle offers alike for both databases may be used. */
  readonly db: SqliteRemoteDatabase;
  readonly tables: Tables;
  readonly changes: ChangeSource;
  /** Folder of the migrations below `migrations/`. */
  readonly migrations: string;
  /** Batches that are worth writing at the same time. */
  readonly writers: number;
  /**
   * Writes all or nothing, durably, and once, even when it has to be sent again.
   * @throws SessionStoreError STORE_SESSION_UNKNOWN when one of the sessions does not exist or is being deleted,
   *   STORE_SESSION_OVER when one with answers is not open
   */
  record(batch: RecordBatch): Promise<void>;
  /** Runs statements in one transaction. @returns rows of the last, as arrays */
  together(statements: readonly BoundStatement[]): Promise<unknown[][]>;
  /** Whether a statement failed because something refers to what is not there. */
  isMissingReference(error: unknown): boolean;
  /**
   * Makes reading `downloadIndex` and `downloads` fast; what they hold does not change by it. With `all` whatever was
   * recorded before the call is entered, not only when it is much.
   * @returns whether `indexedDownloads` and `enteredDownloads`, which are faster, have everything
   */
  catchUp(options: { readonly all: boolean }): Promise<boolean>;
  /**
   * Removes some records of a session that takes no more.
   * @returns whether there may be more
   */
  removeRecords(session: number): Promise<boolean>;
  /** A digest as hex: a text costs a fraction of a buffer on its way here. */
  hexOf(digest: AnyColumn): SQL<string>;
  /** Which of the digests any record, voucher or catalog names. */
  referenced(sha256s: readonly string[]): Promise<string[]>;
  /** Runs one query; rows as arrays. */
  rows(sql: string): Promise<readonly (readonly unknown[])[]>;
  /** Runs `work` in a transaction of its own that no other process can be in at the same time. */
  exclusively(work: (session: MigrationSession) => Promise<void>): Promise<void>;
  /** What the tables take, in bytes. */
  usedBytes(): Promise<number>;
  /** Puts an error of the database in our terms. */
  translate(error: unknown): SessionStoreError;
  close(): Promise<void>;
}
