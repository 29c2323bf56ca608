export type { BoundStatement, Database, StatementRunner } from './database.js';
export { closedError, DatabaseError, type DatabaseErrorCode, messageOf } from './errors.js';
export { exclusivelyInSqlite } from './exclusively-in-sqlite.js';
export {
  type MigrateOptions,
  type Migration,
  type MigrationSession,
  type MigrationTarget,
  migrate,
} from './migrate.js';
export { type OpenDatabaseOptions, openDatabase } from './open-database.js';
export { exclusivelyInPostgres, openPostgresClient } from './open-postgres-client.js';
export type { PostgresClient, PostgresRunner, PostgresStatement } from './postgres-client.js';
export { describePostgres, isPassingFailure, postgresCode, translatePostgres } from './postgres-errors.js';
export { openSqliteThread, sqlitePath, translateSqlite } from './sqlite-file.js';
export {
  type SqliteConnection,
  SqliteFailure,
  type SqliteOperations,
  SqliteThread,
  type SqliteThreadOptions,
} from './sqlite-thread.js';
