import type { PostgresClient, PostgresStatement } from '@waybill/database';
import type { RecordBatch, RecordColumns } from './record-batch.js';

/** A parameter must stay far below PostgreSQL's limit of 1 GiB. */
const rowsPerStatement = 2000;

/**
 * A column is one parameter, and texts are split by the server: PostgreSQL's own notation of arrays would mean to escape
 * every quotation mark of every payload, here, and to undo it there. JSON text has no line breaks outside of its escapes.
 *
 * The lock keeps a session from being moved or deleted between the look at it and the commit: whoever moves it waits for the
 * records, and records that come later wait for the move and then see it. A session that is missing, or has answers and is
 * not open, leaves a null that the table refuses. A batch that is sent again finds its id and writes nothing.
 */
const text = `
with known as materialized (
  select sessions.key, wanted.number
  from unnest($1::text[], $17::bool[]) with ordinality as wanted (id, must_be_open, number)
  join sessions on sessions.id = wanted.id and (sessions.state = 'open' or not wanted.must_be_open)
  for share of sessions
), fresh as (
  insert into record_batches (id) values ($2) on conflict do nothing returning id
), catalogs as (
  insert into session_catalogs (session, scope_key, key, id, sha256, payload)
  select known.key, new.scope_key, new.key, new.id, decode(new.sha256, 'hex'), new.payload
  from unnest(
    $9::int[], string_to_array($10, ','), string_to_array($11, ','), string_to_array($12, ','), string_to_array($13, ','),
    string_to_array($14, E'\\n')
  ) as new (session, scope_key, key, id, sha256, payload) join known on known.number = new.session + 1
  order by 1, 2, 3
  on conflict do nothing
), vouchers as (
  insert into session_vouchers (session, sha256)
  select known.key, decode(new.sha256, 'hex')
  from unnest($15::int[], string_to_array($16, ',')) as new (session, sha256) join known on known.number = new.session + 1
  order by 1, 2
  on conflict do nothing
)
insert into records (session, kind, sha256, size, at, payload)
select (select key from known where number = new.session + 1), new.kind, decode(new.sha256, 'hex'), new.size, new.at, new.payload
from unnest(
  $3::int[], string_to_array($4, null), string_to_array($5, ',', '-'), $6::bigint[], $7::bigint[], string_to_array($8, E'\\n')
) as new (session, kind, sha256, size, at, payload)
where exists (select from fresh)`;

/** Sends a batch, in one round trip unless it is huge. */
export async function insertBatch(client: PostgresClient, batch: RecordBatch): Promise<void> {
  const statements = [...statementsOf(batch)];
  const [first] = statements;
  if (first && statements.length === 1) {
    await client.run(first);
    return;
  }
  await client.transaction(async (run) => {
    for (const statement of statements) await run(statement);
  });
}

function* statementsOf({
  id,
  sessions,
  mustBeOpen,
  records,
  catalogs,
  vouchers,
}: RecordBatch): Generator<PostgresStatement> {
  for (let from = 0; from < records.payload.length; from += rowsPerStatement) {
    const part = slice(records, from, from + rowsPerStatement);
    const references = from === 0 ? { catalogs, vouchers } : { catalogs: [], vouchers: [] };
    yield {
      name: 'record',
      text,
      values: [
        arrayText(sessions),
        `${id}.${from}`,
        ...recordValues(part),
        ...referenceValues(references),
        `{${mustBeOpen.join(',')}}`,
      ],
    };
  }
}

function slice(columns: RecordColumns, from: number, to: number): RecordColumns {
  if (from === 0 && columns.payload.length <= to) return columns;
  return {
    session: columns.session.slice(from, to),
    kind: columns.kind.slice(from, to),
    sha256: columns.sha256.slice(from, to),
    size: columns.size.slice(from, to),
    at: columns.at.slice(from, to),
    payload: columns.payload.slice(from, to),
  };
}

function recordValues(columns: RecordColumns): string[] {
  return [
    numbers(columns.session),
    columns.kind.join(''),
    columns.sha256.map((sha256) => sha256 ?? '-').join(','),
    numbers(columns.size),
    numbers(columns.at),
    columns.payload.join('\n'),
  ];
}

function referenceValues({ catalogs, vouchers }: Pick<RecordBatch, 'catalogs' | 'vouchers'>): string[] {
  return [
    numbers(catalogs.map((row) => row.session)),
    catalogs.map((row) => row.scopeKey).join(','),
    catalogs.map((row) => row.key).join(','),
    catalogs.map((row) => row.id).join(','),
    catalogs.map((row) => row.sha256).join(','),
    catalogs.map((row) => row.payload).join('\n'),
    numbers(vouchers.map((row) => row.session)),
    vouchers.map((row) => row.sha256).join(','),
  ];
}

function numbers(values: readonly (number | null)[]): string {
  return `{${values.map((value) => value ?? 'null').join(',')}}`;
}

/** PostgreSQL's text form of an array. @see PostgreSQL manual, 8.15.6 */
export function arrayText(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
