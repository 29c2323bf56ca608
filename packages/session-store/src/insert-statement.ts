import { type Column, getTableColumns, getTableName, type Table } from 'drizzle-orm';

/** How rows of a table are written, without building a query per row. */
export interface InsertStatement {
  readonly table: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Column values of a row in the order of `columns`, as the database takes them. */
  values(row: Readonly<Record<string, unknown>>): unknown[];
}

/** Derives the statement from the schema. */
export function insertStatement(table: Table): InsertStatement {
  const columns = Object.entries(getTableColumns(table));
  return {
    table: getTableName(table),
    columns: columns.map(([, column]) => ({ name: column.name, type: column.getSQLType() })),
    values: (row) => columns.map(([key, column]) => encode(column, row[key])),
  };
}

function encode(column: Column, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  const encoded = column.mapToDriverValue(value);
  return typeof encoded === 'string' ? cleanText(encoded) : encoded;
}

/** PostgreSQL's text cannot hold NUL; what a hostile archive says of itself must not fail a record in one database only. */
function cleanText(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text;
}
