import type { Machine } from '../results/machine.ts';
import { ratioSpread, type Spread, spreadOf } from '../results/statistics.ts';
import type { CachePlan } from './cache-plan.ts';

/** What one server did in one round. */
export interface CacheTurn {
  readonly round: number;
  readonly server: string;
  /** Requests a second by `op size clients`, and `memory` in MiB. */
  readonly values: Readonly<Record<string, number>>;
  /** Why a number is missing. */
  readonly failures: Readonly<Record<string, string>>;
}

/** The file `…-cache.json` below results/. */
export interface CacheResult {
  readonly format: 1;
  readonly date: string;
  readonly machine: Machine;
  readonly plan: CachePlan;
  readonly servers: readonly {
    readonly id: string;
    readonly does: string;
    readonly version?: string;
    readonly missing?: string;
  }[];
  readonly turns: readonly CacheTurn[];
}

/** A server's numbers over the rounds, and how many times the reference's they are, round by round. */
export function cacheRow(result: CacheResult, server: string, metric: string, reference: string) {
  const values = (id: string) =>
    result.turns.filter((turn) => turn.server === id).map((turn): number | undefined => turn.values[metric]);
  const own: Spread | undefined = spreadOf(values(server).filter((value) => value !== undefined));
  return { own, ratio: server === reference ? undefined : ratioSpread(values(server), values(reference)) };
}

/** A table: a line for each work, a column for each server, ratios to the reference in brackets. */
export function cacheText(result: CacheResult, reference = 'nginx'): string {
  const present = result.servers.filter(({ missing }) => missing === undefined).map(({ id }) => id);
  const metrics = [...new Set(result.turns.flatMap(({ values }) => Object.keys(values)))];
  const rows = metrics.map((metric) => [
    metric,
    ...present.map((server) => {
      const { own, ratio } = cacheRow(result, server, metric, reference);
      if (!own) return '–';
      const shown = own.median < 10 ? own.median.toFixed(2) : String(Math.round(own.median));
      return ratio ? `${shown} (${ratio.median.toFixed(2)})` : shown;
    }),
  ]);
  const table = [['requests/s', ...present], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const missing = result.servers.flatMap(({ id, missing: why }) =>
    why === undefined ? [] : [`left out: ${id}: ${why}`],
  );
  const failures = result.turns.flatMap(({ server, round, failures: all }) =>
    Object.entries(all).map(([metric, why]) => `NOT COUNTED: ${server}, round ${round}, ${metric}: ${why}`),
  );
  const head = `${result.machine.cpu}, ${result.machine.cores} cores, ${result.machine.fileSystem}, load ${result.machine.loadBefore} before; medians of ${result.plan.rounds} rounds, in brackets as a share of ${reference}`;
  return [head, '', ...lines, ...missing, ...failures].join('\n');
}
