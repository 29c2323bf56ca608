import type { BenchResult } from './bench-result.ts';
import { short, withSpread } from './format-number.ts';
import { checkTargets } from './targets.ts';

/** Columns of the table; details stand in the file. */
const columns = [
  { id: 'body.rate', title: 'Body, MiB/s' },
  { id: 'bodies.rate', title: 'Four bodies, MiB/s' },
  { id: 'kept.rate', title: '1 KiB, requests/s' },
  { id: 'kept100k.rate', title: '100 KiB, requests/s' },
  { id: 'fresh.rate', title: 'New tunnels/s' },
  { id: 'newhost.p50', title: 'New host, ms' },
  { id: 'latency.addedP50', title: 'Added latency p50, ms' },
  { id: 'latency.addedP99', title: 'p99, ms' },
  { id: 'kept.cpu', title: 'CPU, ms/request' },
  { id: 'body.cpu', title: 'CPU, s/GiB' },
];

/**
 * What docs/ show of a result: where it comes from, medians with lowest and highest round, and what was wanted.
 * @param file name below bench/results
 */
export function markdownReport(result: BenchResult, file: string): string {
  const { machine, date, kind } = result;
  const rounds = Math.max(
    0,
    ...Object.values(result.summary).flatMap((all) => Object.values(all).map((one) => one.rounds)),
  );
  return [
    `${kind === 'full' ? 'Measured' : `Measured (${kind})`} on ${date.slice(0, 10)}: ${machine.cpu}, ${machine.cores} cores, ` +
      `${machine.memoryGiB} GiB, ${machine.system}, Linux ${machine.kernel}, Node ${machine.node}, spool on ${machine.fileSystem}, load ` +
      `before the first round ${machine.loadBefore}; ${rounds} rounds, medians, lowest and highest round in parentheses. ` +
      `Everything: [${file}](../bench/results/${file}).`,
    engineTable(result),
    kind === 'scaling' ? scalingTable(result) : targetTable(result),
    failureNote(result),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function engineTable({ engines, summary }: BenchResult): string {
  const present = engines.filter(({ missing }) => missing === undefined).map(({ id }) => id);
  const measured = columns.filter(({ id }) => present.some((engine) => summary[engine]?.[id]));
  return table(
    ['Engine', ...measured.map(({ title }) => title)],
    present.map((engine) => [engine, ...measured.map(({ id }) => withSpread(summary[engine]?.[id]))]),
  );
}

function targetTable(result: BenchResult): string {
  const findings = checkTargets(result);
  if (findings.length === 0) return '';
  return table(
    ['Wanted of `waybill-strict`', 'Bar', 'Found', ''],
    findings.map(({ title, wanted, value, unit, found, isMet }) => [
      title,
      `${wanted} ${short(value)} ${unit}`,
      withSpread(found),
      isMet ? 'met' : '**missed**',
    ]),
  );
}

/** More processes against one, round by round. */
function scalingTable({ engines, ratios }: BenchResult): string {
  const measured = columns.filter(({ id }) => Object.values(ratios).some((found) => found[id]));
  const rows = engines
    .map(({ id }) => [id, ratios[`${id}/waybill-1`]] as const)
    .flatMap(([id, found]) =>
      found ? [[`${id} ÷ waybill-1`, ...measured.map((one) => withSpread(found[one.id], '×'))]] : [],
    );
  return rows.length === 0 ? '' : table(['Against one process', ...measured.map(({ title }) => title)], rows);
}

function failureNote({ turns }: BenchResult): string {
  const failed = turns.filter(({ failures }) => Object.keys(failures).length > 0).length;
  return failed === 0 ? '' : `**Turns that did not count: ${failed}**; the file says why.`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
