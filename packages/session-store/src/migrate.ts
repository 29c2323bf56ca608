import { fileURLToPath } from 'node:url';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import type { Driver, MigrationSession } from './driver.js';
import { SessionStoreError } from './errors.js';

/** A migration as shipped. */
interface Migration {
  /** When it was made, in ms; unique and rising. */
  readonly made: number;
  /** sha256 of its text. */
  readonly digest: string;
  readonly statements: readonly string[];
}

/**
 * Brings the schema up to date, or (when `apply` is false) checks that it is. Processes that open the same database at the
 * same time wait for each other.
 * @throws SessionStoreError STORE_SCHEMA_TOO_NEW, STORE_MIGRATION_FAILED
 */
export async function migrate(driver: Driver, apply: boolean): Promise<void> {
  const known = readMigrations(driver.migrations);
  // As a rule there is nothing to do, and nobody has to wait for it.
  const found = await readApplied(driver).catch(() => undefined);
  if (found && found.size === known.length) return checkKnown(known, found);
  await driver.exclusively(async (session) => {
    await session.run(
      'create table if not exists waybill_migrations (made bigint primary key, digest text not null, applied_at bigint not null)',
    );
    const applied = await readApplied(session);
    checkKnown(known, applied);
    const missing = known.filter((migration) => !applied.has(migration.made));
    if (missing.length > 0 && !apply) throw outdatedError(missing.length);
    for (const migration of missing) await applyOne(session, migration);
  });
}

/** `migrations/` lies beside `src` and `dist`, so the same relative path leads there from both. */
function readMigrations(folder: string): Migration[] {
  const migrationsFolder = fileURLToPath(new URL(`../migrations/${folder}`, import.meta.url));
  return readMigrationFiles({ migrationsFolder }).map(({ folderMillis, hash, sql }) => ({
    made: folderMillis,
    digest: hash,
    statements: sql,
  }));
}

async function readApplied(session: Pick<MigrationSession, 'rows'>): Promise<Map<number, string>> {
  const rows = await session.rows('select made, digest from waybill_migrations order by made');
  return new Map(rows.map(([made, digest]) => [Number(made), String(digest)]));
}

function checkKnown(known: readonly Migration[], applied: ReadonlyMap<number, string>): void {
  const newest = known.at(-1)?.made ?? 0;
  for (const [made, digest] of applied) {
    const migration = known.find((candidate) => candidate.made === made);
    if (!migration && made > newest) {
      throw new SessionStoreError('STORE_SCHEMA_TOO_NEW', 'the database was written by a newer version of Waybill', {
        hint: 'use that version or a newer one, or another database',
      });
    }
    if (!migration || migration.digest !== digest) {
      throw new SessionStoreError(
        'STORE_MIGRATION_FAILED',
        `the database has a schema change of ${new Date(made).toISOString()} that this version does not know`,
        { hint: 'use the version of Waybill that made the database' },
      );
    }
  }
}

async function applyOne(session: MigrationSession, migration: Migration): Promise<void> {
  try {
    for (const statement of migration.statements) await session.run(statement);
    await session.run(
      `insert into waybill_migrations (made, digest, applied_at) values (${migration.made}, '${migration.digest}', ${Date.now()})`,
    );
  } catch (error) {
    throw new SessionStoreError(
      'STORE_MIGRATION_FAILED',
      `cannot change the schema: ${error instanceof Error ? error.message : String(error)}`,
      { hint: 'nothing was changed; the database user needs the right to create tables', cause: error },
    );
  }
}

function outdatedError(missing: number): SessionStoreError {
  return new SessionStoreError('STORE_MIGRATION_FAILED', `the database lacks ${missing} schema change(s)`, {
    hint: 'open it once with migrations allowed',
  });
}
