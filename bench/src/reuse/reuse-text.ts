import { short, withSpread } from '../results/format-number.ts';
import type { Spread } from '../results/statistics.ts';
import type { LineResult, ReuseResult } from './run-reuse.ts';

const mib = 1024 * 1024;

/** For a terminal. */
export function reuseText({ packages, bytes, lines }: ReuseResult): string {
  const head = `npm ci of ${packages} packages, ${short(bytes / mib)} MiB, empty cache`;
  return [head, ...lines.map(lineText)].join('\n');
}

function lineText(result: LineResult): string {
  const { line, directMs, secondMs, ownMs, speedup, cpuMsPerPackage, peakRssBytes } = result;
  const cells = [
    `direct ${seconds(directMs)}`,
    `second session ${seconds(secondMs)}`,
    `npm alone, out of its own cache ${seconds(ownMs)}`,
    `${withSpread(speedup)} times as fast`,
    `tarballs alone ${seconds(result.fetchDirectMs)} and ${seconds(result.fetchSecondMs)}, ${withSpread(result.fetchSpeedup)} times as fast`,
    `${withSpread(cpuMsPerPackage)} ms of processor time a package`,
    `peak memory ${short(peakRssBytes / mib)} MiB`,
  ];
  return `  ${line}: ${cells.join(', ')}`;
}

function seconds({ median, min, max, rounds }: Spread): string {
  return `${withSpread({ median: median / 1000, min: min / 1000, max: max / 1000, rounds })} s`;
}
