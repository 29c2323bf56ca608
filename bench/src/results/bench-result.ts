import type { MemoryPoint } from '../measure/memory.ts';
import type { Plan } from '../plan.ts';
import type { Metric } from '../works/work.ts';
import type { Machine } from './machine.ts';
import { ratioSpread, type Spread, spreadOf } from './statistics.ts';

/** What one engine did in one round. */
export interface Turn {
  readonly round: number;
  readonly engine: string;
  readonly values: Readonly<Record<string, number>>;
  /** Memory over time, by work; of long works only. */
  readonly memory: Readonly<Record<string, readonly MemoryPoint[]>>;
  /** What does not count and why, by work; `*` is the whole turn, whose values are then empty. */
  readonly failures: Readonly<Record<string, string>>;
}

/** An engine of this run, with the reason when it was left out. */
export interface EngineEntry {
  readonly id: string;
  readonly does: string;
  readonly version?: string;
  readonly missing?: string;
}

/** A work that this machine does not let us run. */
export interface SkippedWork {
  readonly id: string;
  readonly why: string;
}

/** `custom` is whatever is not the whole; `scaling` compares numbers of processes. */
export type BenchKind = 'quick' | 'full' | 'custom' | 'scaling';

/** The file under results/; units are those of `metrics`. */
export interface BenchResult {
  readonly format: 2;
  readonly date: string;
  readonly kind: BenchKind;
  readonly machine: Machine;
  /** Versions of what belongs to no engine. */
  readonly software: Readonly<Record<string, string>>;
  readonly plan: Plan;
  readonly metrics: readonly Metric[];
  readonly engines: readonly EngineEntry[];
  readonly skipped: readonly SkippedWork[];
  readonly turns: readonly Turn[];
  /** Engine, then metric. */
  readonly summary: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
  /** `<engine>/<other engine>`, then metric; of compared metrics only. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
}

/** Medians and ratios of what was measured. */
export function summarise(
  engines: readonly EngineEntry[],
  metrics: readonly Metric[],
  turns: readonly Turn[],
): Pick<BenchResult, 'summary' | 'ratios'> {
  const present = engines.filter(({ missing }) => missing === undefined).map(({ id }) => id);
  const rounds = Math.max(0, ...turns.map(({ round }) => round));
  const values = (engine: string, metric: string) =>
    Array.from({ length: rounds }, (_, index) => valueIn(turns, { round: index + 1, engine, metric }));
  const table = (of: readonly Metric[], spread: (metric: string) => Spread | undefined) =>
    Object.fromEntries(of.map(({ id }) => [id, spread(id)]).filter(([, found]) => found !== undefined));
  const compared = metrics.filter((metric) => metric.compared);
  const pairs = present.flatMap((ours) =>
    present.filter((theirs) => theirs !== ours).map((theirs) => [ours, theirs] as const),
  );
  return {
    summary: Object.fromEntries(
      present.map((engine) => [
        engine,
        table(metrics, (metric) => spreadOf(values(engine, metric).filter((value) => value !== undefined))),
      ]),
    ),
    ratios: Object.fromEntries(
      pairs.map(([ours, theirs]) => [
        `${ours}/${theirs}`,
        table(compared, (metric) => ratioSpread(values(ours, metric), values(theirs, metric))),
      ]),
    ),
  };
}

function valueIn(turns: readonly Turn[], key: { round: number; engine: string; metric: string }): number | undefined {
  return turns.find(({ round, engine }) => round === key.round && engine === key.engine)?.values[key.metric];
}
