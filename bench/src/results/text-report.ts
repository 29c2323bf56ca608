import type { Metric } from '../works/work.ts';
import type { BenchResult } from './bench-result.ts';
import { short, withSpread } from './format-number.ts';
import { checkTargets } from './targets.ts';

/** The result for people: what each engine did, how they compare, what was left out. */
export function textReport(result: BenchResult): string {
  return [
    heading(result),
    section('median (lowest–highest round)', metricTable(result)),
    section('ratios, round by round', ratioTable(result)),
    section('wanted of waybill-strict', targetTable(result)),
    legend(result),
    failures(result),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function heading({ machine, kind, plan, date, turns }: BenchResult): string {
  const rounds = new Set(turns.filter(({ memory }) => Object.keys(memory).length === 0).map(({ round }) => round)).size;
  return [
    `waybill bench (${kind}), ${date}: ${rounds} rounds, ${plan.clients} clients, large body ${plan.largeBytes / 1024 ** 2} MiB`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Linux ${machine.kernel}, ` +
      `Node ${machine.node}, spool on ${machine.fileSystem}, load before ${machine.loadBefore}`,
  ].join('\n');
}

function section(title: string, lines: string): string {
  return lines === '' ? '' : `${title}\n${lines}`;
}

/** A line for each number, a column for each engine, and a title for each work. */
function metricTable({ engines, metrics, summary }: BenchResult): string {
  const columns = engines.filter(({ missing }) => missing === undefined).map(({ id }) => id);
  const groups = new Map<string, Metric[]>();
  for (const metric of metrics) groups.set(workOf(metric), [...(groups.get(workOf(metric)) ?? []), metric]);
  const rows = [...groups].flatMap(([work, group]) => [
    [work],
    ...group.map(({ id, title, unit }) => [
      `  ${title}, ${unit}`,
      ...columns.map((engine) => withSpread(summary[engine]?.[id])),
    ]),
  ]);
  return rows.length === 0 ? '' : table([['', ...columns], ...rows]);
}

/** Ours against each other engine. Of costs less is better. */
function ratioTable({ metrics, ratios }: BenchResult): string {
  const pairs = Object.keys(ratios).filter((pair) =>
    /^waybill-\D\w+[/](?!waybill)|^waybill-\d+[/]waybill-1$/.test(pair),
  );
  const rows = metrics
    .filter(({ compared }) => compared)
    .map(({ id, title, better }) => [
      `  ${workOf({ id })}: ${title}${better === 'lower' ? ' (less is better)' : ''}`,
      ...pairs.map((pair) => withSpread(ratios[pair]?.[id], '×')),
    ]);
  const heads = pairs.map((pair) => pair.replace('/', ' ÷ '));
  return pairs.length === 0 || rows.length === 0 ? '' : table([['', ...heads], ...rows]);
}

function targetTable(result: BenchResult): string {
  const rows = checkTargets(result).map(({ metric, title, wanted, value, unit, found, isMet }) => [
    `  ${isMet ? 'met   ' : 'MISSED'}  ${workOf({ id: metric })}: ${title}`,
    `${wanted} ${short(value)} ${unit}`,
    withSpread(found),
  ]);
  return rows.length === 0 ? '' : table(rows);
}

function legend({ engines, skipped }: BenchResult): string {
  const lines = engines.map(({ id, does, version, missing }) =>
    missing === undefined ? `${id} ${version}: ${does}` : `SKIPPED ${id}: ${missing}`,
  );
  return [...lines, ...skipped.map(({ id, why }) => `SKIPPED ${id}: ${why}`)].join('\n');
}

function failures({ turns }: BenchResult): string {
  return turns
    .flatMap(({ round, engine, failures: found }) =>
      Object.entries(found).map(([work, why]) => `NOT COUNTED round ${round}, ${engine}, ${work}: ${why}`),
    )
    .join('\n');
}

function workOf({ id }: Pick<Metric, 'id'>): string {
  return id.slice(0, id.indexOf('.'));
}

/** Columns as wide as their widest cell; a row of one cell is a title and widens nothing. */
function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.filter((row) => row.length > 1);
  const count = Math.max(...cells.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row.map((text, column) =>
      column === 0 ? text.padEnd(widths[0] as number) : text.padStart(widths[column] as number),
    );
  return rows.map((row) => (row.length === 1 ? ` ${row[0]}` : line(row).join('   ').trimEnd())).join('\n');
}
