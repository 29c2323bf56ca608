import { DatabaseError } from './errors.js';

/** Runs statements inside the migration's transaction. */
export interface MigrationSession {
  run(sql: string): Promise<void>;
  /** Rows as arrays. */
  rows(sql: string): Promise<readonly (readonly unknown[])[]>;
}

/** A database as far as a migration is concerned. */
export interface MigrationTarget {
  /** Runs one query; rows as arrays. */
  rows(sql: string): Promise<readonly (readonly unknown[])[]>;
  /** Runs `work` in a transaction of its own that no other process can be in at the same time. */
  exclusively(work: (session: MigrationSession) => Promise<void>): Promise<void>;
}

/** A migration as shipped. */
export interface Migration {
  /** When it was made, in ms; unique and rising. */
  readonly made: number;
  /** sha256 of its text. */
  readonly digest: string;
  readonly statements: readonly string[];
}

/** What is to be done. */
export interface MigrateOptions {
  /** In the order they were made. */
  readonly migrations: readonly Migration[];
  /** Whether to change anything; otherwise an old schema is an error. */
  readonly apply: boolean;
  /** Where it is noted what was applied; two kinds of store in one database need a table each. Default `waybill_migrations`. */
  readonly table?: string | undefined;
}

/**
 * Brings the schema up to date, or (when `apply` is false) checks that it is. Processes that open the same database at the
 * same time wait for each other.
 * @throws DatabaseError STORE_SCHEMA_TOO_NEW, STORE_MIGRATION_FAILED
 */
export async function migrate(target: MigrationTarget, options: MigrateOptions): Promise<void> {
  const { migrations: known, apply, table = 'waybill_migrations' } = options;
  // As a rule there is nothing to do, and nobody has to wait for it.
  const found = await readApplied(target, table).catch(() => undefined);
  if (found && found.size === known.length) return checkKnown(known, found);
  await target.exclusively(async (session) => {
    await session.run(
      `create table if not exists ${table} (made bigint primary key, digest text not null, applied_at bigint not null)`,
    );
    const applied = await readApplied(session, table);
    checkKnown(known, applied);
    const missing = known.filter((migration) => !applied.has(migration.made));
    if (missing.length > 0 && !apply) throw outdatedError(missing.length);
    for (const migration of missing) await applyOne(session, migration, table);
  });
}

async function readApplied(session: Pick<MigrationSession, 'rows'>, table: string): Promise<Map<number, string>> {
  const rows = await session.rows(`select made, digest from ${table} order by made`);
  return new Map(rows.map(([made, digest]) => [Number(made), String(digest)]));
}

function checkKnown(known: readonly Migration[], applied: ReadonlyMap<number, string>): void {
  const newest = known.at(-1)?.made ?? 0;
  for (const [made, digest] of applied) {
    const migration = known.find((candidate) => candidate.made === made);
    if (!migration && made > newest) {
      throw new DatabaseError('STORE_SCHEMA_TOO_NEW', 'the database was written by a newer version of Waybill', {
        hint: 'use that version or a newer one, or another database',
      });
    }
    if (!migration || migration.digest !== digest) {
      throw new DatabaseError(
        'STORE_MIGRATION_FAILED',
        `the database has a schema change of ${new Date(made).toISOString()} that this version does not know`,
        { hint: 'use the version of Waybill that made the database' },
      );
    }
  }
}

async function applyOne(session: MigrationSession, migration: Migration, table: string): Promise<void> {
  try {
    for (const statement of migration.statements) await session.run(statement);
    await session.run(
      `insert into ${table} (made, digest, applied_at) values (${migration.made}, '${migration.digest}', ${Date.now()})`,
    );
  } catch (error) {
    throw new DatabaseError(
      'STORE_MIGRATION_FAILED',
      `cannot change the schema: ${error instanceof Error ? error.message : String(error)}`,
      { hint: 'nothing was changed; the database user needs the right to create tables', cause: error },
    );
  }
}

function outdatedError(missing: number): DatabaseError {
  return new DatabaseError('STORE_MIGRATION_FAILED', `the database lacks ${missing} schema change(s)`, {
    hint: 'open it once with migrations allowed',
  });
}
