import { short } from '../results/format-number.ts';
import type { Machine } from '../results/machine.ts';
import type { MicroNumber } from './micro.ts';

/** The file `…-micro.json` below results/. */
export interface MicroResult {
  readonly format: 1;
  readonly date: string;
  readonly machine: Machine;
  readonly numbers: readonly MicroNumber[];
}

/** What docs/ show of it. */
export function microMarkdown({ date, machine, numbers }: MicroResult, file: string): string {
  const rows = numbers.map(({ title, value, unit, below }) => {
    const bar = below === undefined ? '' : `below ${short(below)} ${unit}: ${value < below ? 'met' : '**missed**'}`;
    return `| ${title} | ${short(value)} ${unit} | ${bar} |`;
  });
  const where = `${date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores: [${file}](../bench/results/${file}).`;
  return [where, ['| What | Found | Wanted |', '| --- | --- | --- |', ...rows].join('\n')].join('\n\n');
}

/** The same for a terminal. */
export function microText({ numbers }: MicroResult): string {
  return numbers
    .map(({ title, value, unit, below }) => {
      const bar = below === undefined ? '' : ` (below ${short(below)} ${unit}: ${value < below ? 'met' : 'MISSED'})`;
      return `${title}: ${short(value)} ${unit}${bar}`;
    })
    .join('\n');
}
