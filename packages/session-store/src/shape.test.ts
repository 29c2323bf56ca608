import { getTableColumns, getTableName } from 'drizzle-orm';
import { getTableConfig as postgresConfig } from 'drizzle-orm/pg-core';
import { getTableConfig as sqliteConfig } from 'drizzle-orm/sqlite-core';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { tables as postgres } from './schema/postgres.js';
import { tables as sqlite } from './schema/sqlite.js';

type Names = keyof typeof sqlite;

describe('the two schemas', () => {
  it('have rows of the same types', () => {
    expectTypeOf<{ [Name in Names]: (typeof postgres)[Name]['$inferSelect'] }>().toEqualTypeOf<{
      [Name in Names]: (typeof sqlite)[Name]['$inferSelect'];
    }>();
    expectTypeOf<keyof typeof postgres>().toEqualTypeOf<Names>();
  });

  it.each(Object.keys(sqlite) as Names[])('%s: same columns, keys and indexes', (name) => {
    const columns = (table: (typeof sqlite)[Names] | (typeof postgres)[Names]) =>
      Object.entries(getTableColumns(table)).map(([key, { name: column, notNull, primary }]) => ({
        key,
        column,
        notNull,
        primary,
      }));
    expect(getTableName(postgres[name])).toBe(getTableName(sqlite[name]));
    expect(columns(postgres[name])).toEqual(columns(sqlite[name]));
    const [ours, theirs] = [sqliteConfig(sqlite[name]), postgresConfig(postgres[name])];
    const keys = (found: readonly { readonly columns: readonly { readonly name: string }[] }[]) =>
      found.map((key) => key.columns.map((column) => column.name));
    expect(keys(theirs.primaryKeys)).toEqual(keys(ours.primaryKeys));
    const indexes = (found: readonly { readonly config: { readonly name?: string | undefined } }[]) =>
      found.map((index) => index.config.name);
    expect(indexes(theirs.indexes)).toEqual(indexes(ours.indexes));
    expect(theirs.foreignKeys.map((key) => key.onDelete)).toEqual(ours.foreignKeys.map((key) => key.onDelete));
  });
});
