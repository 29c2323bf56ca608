import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SessionStore } from '@waybill/contracts';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { expect } from 'vitest';
import { all } from './conformance/expectations.js';
import { catalog, download, moment, refusal, sessionId, sha } from './records.js';

interface Expected {
  readonly session: unknown;
  readonly counts: unknown;
  readonly artifacts: unknown[];
  readonly refusals: unknown[];
  readonly responses: unknown[];
  readonly catalogs: unknown[];
}

const fixture = (name: string) => readFile(new URL(`schema-0.1.0/${name}`, import.meta.url), 'utf8');

/** Statements that make a database as 0.1.0 left it. */
export async function oldDatabase(folder: 'sqlite' | 'postgres'): Promise<string[]> {
  const migrationsFolder = fileURLToPath(new URL(`../migrations/${folder}`, import.meta.url));
  const [first] = readMigrationFiles({ migrationsFolder });
  if (!first) throw new Error('there is no first migration');
  return [
    ...first.sql.map((statement) => statement.replaceAll('"public".', '')),
    'create table waybill_migrations (made bigint primary key, digest text not null, applied_at bigint not null)',
    `insert into waybill_migrations values (${first.folderMillis}, '${first.hash}', 1)`,
    await fixture('data.sql'),
  ];
}

/** That everything of the old database is there, and that it goes on being used. */
export async function checkOldDatabase(store: SessionStore): Promise<void> {
  const sessions: Record<string, Expected> = JSON.parse(await fixture('expected.json'), asDate);
  expect(Object.keys(sessions).length).toBe(2);
  const { scope } = catalog('any');
  const readAll = async (id: string): Promise<Expected> => ({
    session: await store.getSession(id),
    counts: await store.counts(id),
    artifacts: await all(store.artifacts(id)),
    refusals: await all(store.refusals(id)),
    responses: await all(store.responses(id)),
    catalogs: await store.catalogs(id, scope),
  });
  for (const [id, expected] of Object.entries(sessions)) {
    expect(expected.artifacts.length).toBeGreaterThan(0);
    expect(await readAll(id)).toEqual(expected);
    // The order of keys is part of a report.
    expect(JSON.stringify((await store.getSession(id))?.configuration)).toBe(
      JSON.stringify((expected.session as { configuration: unknown }).configuration),
    );
  }
  const names = ['left-pad', 'evil', 'packument', 'index', 'not found', 'absent'].map(sha);
  expect(await store.referenced(names)).toEqual(new Set(names.slice(0, -1)));

  const [id, other] = [sessionId('one'), sessionId('other')];
  await store.record([
    download(id, 'left-pad', { startedAt: moment(100), provides: [catalog('index'), catalog('newer')] }),
    refusal(id, { at: moment(100) }),
  ]);
  expect((await store.artifact(id, sha('left-pad')))?.downloads.at(-1)?.startedAt).toEqual(moment(100));
  expect((await store.catalogs(id, scope)).map(({ name }) => name)).toEqual(['index', 'other index', 'newer']);
  await store.deleteSession(id);
  expect(await store.referenced(names)).toEqual(new Set(['left-pad', 'packument'].map(sha)));
  expect(await readAll(other)).toEqual(sessions[other]);
}

function asDate(_key: string, value: unknown): unknown {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? new Date(value) : value;
}
