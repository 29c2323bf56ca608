import type { Database, StatementRunner } from './database.js';
import type { DatabaseError } from './errors.js';
import { exclusivelyInSqlite } from './exclusively-in-sqlite.js';
import { type MigrateOptions, migrate } from './migrate.js';
import { openSqliteThread, sqlitePath, translateSqlite } from './sqlite-file.js';
import type { SqliteThread } from './sqlite-thread.js';

/** What callers throw out of a transaction is theirs, what SQLite says is not. */
class Foreign {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** One thread writes; another reads, so that nobody who looks something up waits for an fsync. */
export class SqliteDatabase implements Database {
  readonly dialect = 'sqlite';
  readonly #writer: SqliteThread;
  readonly #reader: SqliteThread | undefined;
  readonly #translate: (error: unknown) => DatabaseError;
  #last: Promise<unknown> = Promise.resolve();

  constructor(writer: SqliteThread, reader: SqliteThread | undefined, translate: (error: unknown) => DatabaseError) {
    this.#writer = writer;
    this.#reader = reader;
    this.#translate = translate;
  }

  rows(sql: string, params: readonly unknown[] = []): Promise<unknown[][]> {
    if (this.#reader) return this.#query(this.#reader, sql, params);
    return this.#afterOthers(() => this.#query(this.#writer, sql, params));
  }

  transaction<Result>(work: (runner: StatementRunner) => Promise<Result>): Promise<Result> {
    const runner: StatementRunner = { rows: (sql, params = []) => this.#query(this.#writer, sql, params) };
    return this.#afterOthers(async () => {
      try {
        return await exclusivelyInSqlite(this.#writer, async () => {
          try {
            return await work(runner);
          } catch (error) {
            throw new Foreign(error);
          }
        });
      } catch (error) {
        throw error instanceof Foreign ? error.error : this.#translate(error);
      }
    });
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await Promise.all([this.#writer.close(), this.#reader?.close()]);
  }

  async #query(thread: SqliteThread, sql: string, params: readonly unknown[]): Promise<unknown[][]> {
    try {
      return await thread.query(sql, params);
    } catch (error) {
      throw this.#translate(error);
    }
  }

  /** The connection is one: what is asked while a transaction is open would be part of it. */
  #afterOthers<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

export async function openSqliteDatabase(url: string, what: string, migrations: MigrateOptions): Promise<Database> {
  const path = sqlitePath(url, what);
  const translate = (error: unknown) => translateSqlite(error, path, `${what} database`);
  const writer = await openSqliteThread(path, `${what} database`);
  try {
    await migrate(
      { rows: (text) => writer.query(text), exclusively: (work) => exclusivelyInSqlite(writer, work) },
      migrations,
    );
    const reader = path === ':memory:' ? undefined : await openSqliteThread(path, `${what} database`);
    return new SqliteDatabase(writer, reader, translate);
  } catch (error) {
    await writer.close().catch(() => undefined);
    throw translate(error);
  }
}
