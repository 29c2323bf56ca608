/** A statement with its parameters. */
export interface BoundStatement {
  readonly sql: string;
  readonly params: readonly unknown[];
}

/** Runs statements. */
export interface StatementRunner {
  /** Runs one statement, `?` for each parameter. @returns rows as arrays; whole numbers may come as text */
  rows(sql: string, params?: readonly unknown[]): Promise<unknown[][]>;
}

/** A database, whichever it is. All methods are safe to call concurrently; errors are `DatabaseError`s. */
export interface Database extends StatementRunner {
  readonly dialect: 'sqlite' | 'postgres';
  /**
   * Runs `work` in a transaction, durable when this resolves; nothing is changed when `work` throws, and its error comes back
   * as it is. In SQLite one runs at a time; in PostgreSQL they lock rows (READ COMMITTED), and `work` may be called again after
   * a deadlock or a lost connection that changed nothing.
   */
  transaction<Result>(work: (runner: StatementRunner) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}
