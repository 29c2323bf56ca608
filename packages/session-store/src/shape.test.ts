import { Column, getTableColumns, getTableName, getViewSelectedFields, is, type Table, View } from 'drizzle-orm';
import { getTableConfig as postgresConfig } from 'drizzle-orm/pg-core';
import { getTableConfig as sqliteConfig } from 'drizzle-orm/sqlite-core';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { tables as postgres } from './schema/postgres.js';
import { tables as sqlite } from './schema/sqlite.js';

type Names = keyof typeof sqlite;
/** Tables in both; the others are views in at least one, and the indexes of `records` differ. */
const alike = [
  'configurations',
  'sessions',
  'records',
  'sessionVouchers',
  'sessionCatalogs',
  'sessionChanges',
  'pings',
] as const;

describe('the two schemas', () => {
  it('have rows of the same types', () => {
    expectTypeOf<{ [Name in Names]: (typeof postgres)[Name]['$inferSelect'] }>().toEqualTypeOf<{
      [Name in Names]: (typeof sqlite)[Name]['$inferSelect'];
    }>();
    expectTypeOf<keyof typeof postgres>().toEqualTypeOf<Names>();
  });

  it.each(alike)('%s: same columns, keys and indexes', (name) => {
    const columns = (table: (typeof sqlite)[typeof name] | (typeof postgres)[typeof name]) =>
      Object.entries(getTableColumns(table)).map(([key, { name: column, notNull }]) => ({ key, column, notNull }));
    expect(getTableName(postgres[name])).toBe(getTableName(sqlite[name]));
    expect(columns(postgres[name])).toEqual(columns(sqlite[name]));
    const [ours, theirs] = [sqliteConfig(sqlite[name]), postgresConfig(postgres[name])];
    const keys = (found: readonly { readonly columns: readonly { readonly name: string }[] }[]) =>
      found.map((key) => key.columns.map((column) => column.name));
    expect(keys(theirs.primaryKeys)).toEqual(keys(ours.primaryKeys));
    if (name === 'records') return;
    const indexes = (found: readonly { readonly config: { readonly name?: string | undefined } }[]) =>
      found.map((index) => index.config.name);
    expect(indexes(theirs.indexes)).toEqual(indexes(ours.indexes));
  });

  it.each(['downloadIndex', 'indexedDownloads', 'downloads', 'enteredDownloads'] as const)(
    '%s: same columns',
    (name) => {
      const columns = (of: Table | View) =>
        Object.entries(is(of, View) ? getViewSelectedFields(of) : getTableColumns(of)).map(([key, column]) => {
          if (!is(column, Column)) throw new Error(`${key} is no column`);
          return { key, column: column.name, notNull: column.notNull };
        });
      expect(columns(postgres[name])).toEqual(columns(sqlite[name]));
    },
  );
});
