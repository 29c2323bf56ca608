import type { Metric } from '../works/work.ts';
import type { BenchResult, EngineEntry } from './bench-result.ts';
import type { Spread } from './statistics.ts';

/** The result for people: what each engine did, how they compare, what was left out. */
export function textReport(result: BenchResult): string {
  const compared = result.metrics.filter((metric) => metric.compared);
  const others = result.metrics.filter((metric) => !metric.compared);
  return [
    heading(result),
    section('median (lowest–highest round)', engineTable(result, compared)),
    section('ratios, round by round', ratioTable(result, compared)),
    ...groups(others).map(([work, metrics]) => section(`more about '${work}'`, engineTable(result, metrics))),
    legend(result.engines),
    failures(result),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function heading({ machine, kind, plan, date }: BenchResult): string {
  return [
    `waybill bench (${kind}), ${date}: ${plan.rounds} rounds, ${plan.clients} clients, large body ${plan.largeBytes / 1024 ** 2} MiB`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Linux ${machine.kernel}, ` +
      `Node ${machine.node}, spool on ${machine.fileSystem}, load before ${machine.loadBefore}`,
  ].join('\n');
}

function section(title: string, lines: string): string {
  return lines === '' ? '' : `${title}\n${lines}`;
}

function engineTable({ engines, summary }: BenchResult, metrics: readonly Metric[]): string {
  const rows = engines
    .filter(({ missing }) => missing === undefined)
    .map(({ id }) => [id, ...metrics.map((metric) => cell(summary[id]?.[metric.id]))]);
  return table(['', ...metrics.map(({ title, unit }) => `${title}, ${unit}`)], rows);
}

/** Ours against each other engine, and everybody against no proxy at all. */
function ratioTable({ ratios }: BenchResult, metrics: readonly Metric[]): string {
  const rows = Object.entries(ratios)
    .filter(([pair]) => /^waybill-\w+\/(?!waybill)|\/direct$/.test(pair))
    .map(([pair, found]) => [pair.replace('/', ' ÷ '), ...metrics.map((metric) => cell(found[metric.id], '×'))]);
  return rows.length === 0 ? '' : table(['', ...metrics.map(({ title }) => title)], rows);
}

function groups(metrics: readonly Metric[]): [string, Metric[]][] {
  const works = new Map<string, Metric[]>();
  for (const metric of metrics) {
    const work = metric.id.slice(0, metric.id.indexOf('.'));
    works.set(work, [...(works.get(work) ?? []), metric]);
  }
  return [...works];
}

function legend(engines: readonly EngineEntry[]): string {
  return engines
    .map(({ id, does, version, missing }) =>
      missing === undefined ? `${id} ${version}: ${does}` : `SKIPPED ${id}: ${missing}`,
    )
    .join('\n');
}

function failures({ turns }: BenchResult): string {
  return turns
    .flatMap(({ round, engine, failures: found }) =>
      Object.entries(found).map(([work, why]) => `NOT COUNTED round ${round}, ${engine}, ${work}: ${why}`),
    )
    .join('\n');
}

function cell(spread: Spread | undefined, sign = ''): string {
  if (!spread) return '–';
  return `${short(spread.median)}${sign} (${short(spread.min)}–${short(spread.max)})`;
}

/** Three figures, thousands apart. */
export function short(value: number): string {
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(decimals).replace(/\B(?=(\d{3})+(?!\d)(?<!\.\d*))/g, ' ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `  ${cells.map((text, column) => (column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0))).join('   ')}`;
  return [line(head), ...rows.map(line)].join('\n');
}
