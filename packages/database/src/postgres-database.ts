import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, StatementRunner } from './database.js';
import { type MigrateOptions, migrate } from './migrate.js';
import { exclusivelyInPostgres, openPostgresClient } from './open-postgres-client.js';
import type { PostgresClient } from './postgres-client.js';
import { describePostgres, postgresCode, translatePostgres } from './postgres-errors.js';

const attempts = 5;
/** Deadlocks and failed serializations changed nothing, so the same work may be done again. */
const nothingChanged = /^(40P01|40001)$/;

export class PostgresDatabase implements Database {
  readonly dialect = 'postgres';
  readonly #client: PostgresClient;
  readonly #place: string;

  constructor(client: PostgresClient, place: string) {
    this.#client = client;
    this.#place = place;
  }

  async rows(sql: string, params: readonly unknown[] = []): Promise<unknown[][]> {
    try {
      return await this.#client.query(numbered(sql), params);
    } catch (error) {
      throw translatePostgres(error, this.#place);
    }
  }

  async transaction<Result>(work: (runner: StatementRunner) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      /** Errors of the server; what else comes out is the caller's. */
      const ours = new Set<unknown>();
      try {
        return await this.#once(work, ours);
      } catch (error) {
        if (attempt < attempts && nothingChanged.test(postgresCode(error))) {
          await sleep(5 * attempt * (1 + Math.random()));
          continue;
        }
        throw ours.has(error) ? translatePostgres(error, this.#place) : error;
      }
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #once<Result>(work: (runner: StatementRunner) => Promise<Result>, ours: Set<unknown>): Promise<Result> {
    /** What the caller's work threw by itself. */
    let foreign: unknown;
    try {
      return await this.#client.transaction((run) => {
        const runner: StatementRunner = {
          rows: async (sql, params = []) => {
            try {
              return await run({ text: numbered(sql), values: params });
            } catch (error) {
              ours.add(error);
              throw error;
            }
          },
        };
        return work(runner).catch((error: unknown) => {
          foreign = error;
          throw error;
        });
      });
    } catch (error) {
      // Connecting, `begin` and `commit` fail outside of the work.
      if (error !== foreign) ours.add(error);
      throw error;
    }
  }
}

const kept = new Map<string, string>();

/** `?` is `$1`, `$2`, … here. Statements are few and constant, so what they became is kept. */
function numbered(sql: string): string {
  const known = kept.get(sql);
  if (known !== undefined) return known;
  let count = 0;
  const text = sql.replaceAll('?', () => `$${++count}`);
  if (kept.size < 1000) kept.set(sql, text);
  return text;
}

export async function openPostgresDatabase(
  url: string,
  limitMs: number,
  migrations: MigrateOptions,
): Promise<Database> {
  const client = await openPostgresClient(url, limitMs);
  try {
    await migrate(
      { rows: (text) => client.query(text), exclusively: (work) => exclusivelyInPostgres(client, work) },
      migrations,
    );
    return new PostgresDatabase(client, describePostgres(url));
  } catch (error) {
    await client.close();
    throw translatePostgres(error, describePostgres(url));
  }
}
