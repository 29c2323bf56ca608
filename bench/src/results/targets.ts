import type { BenchResult } from './bench-result.ts';
import type { Spread } from './statistics.ts';

/** What we want of a strict session: a ratio to another engine or a number of its own. */
export interface Target {
  readonly metric: string;
  readonly against?: string;
  readonly wanted: 'at least' | 'less than';
  readonly value: number;
}

export interface TargetFinding extends Target {
  readonly title: string;
  readonly unit: string;
  readonly found: Spread;
  /** By the median. */
  readonly isMet: boolean;
}

const engine = 'waybill-strict';

const atLeast = (value: number, against: string, metrics: readonly string[]): Target[] =>
  metrics.map((metric) => ({ metric, against, wanted: 'at least', value }));
const lessThan = (value: number, metrics: readonly string[]): Target[] =>
  metrics.map((metric) => ({ metric, wanted: 'less than', value }));

/** Measured with verification, hashes, store and durable record switched on; squid and mitmdump do none or little of it. */
export const targets: readonly Target[] = [
  ...atLeast(1, 'squid', ['body.rate', 'bodies.rate', 'kept.rate', 'kept100k.rate', 'fresh.rate']),
  ...atLeast(1.5, 'mitmdump', ['body.rate', 'bodies.rate']),
  ...atLeast(10, 'mitmdump', ['kept.rate']),
  ...atLeast(5, 'mitmdump', ['fresh.rate']),
  ...lessThan(0.5, ['latency.addedP50']),
  ...lessThan(200, ['memory-body.peak', 'memory-hosts.peak', 'memory-requests.peak']),
];

/** Every target of which this result says something. */
export function checkTargets({ metrics, summary, ratios }: BenchResult): TargetFinding[] {
  return targets.flatMap((target) => {
    const { metric: id, against, wanted, value } = target;
    const metric = metrics.find((one) => one.id === id);
    const found = against === undefined ? summary[engine]?.[id] : ratios[`${engine}/${against}`]?.[id];
    if (!metric || !found) return [];
    const isMet = wanted === 'at least' ? found.median >= value : found.median < value;
    const unit = against === undefined ? metric.unit : `× ${against}`;
    return [{ ...target, title: metric.title, unit, found, isMet }];
  });
}
