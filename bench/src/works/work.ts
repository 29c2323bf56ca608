import type { RunningEngine } from '../engines/engine.ts';
import type { Driver } from '../load/driver.ts';
import type { BodyRange } from '../load/job.ts';
import type { Plan } from '../plan.ts';
import type { Upstream } from '../upstream/start-upstream.ts';

/** A number that a work gives for each engine and round. */
export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** Shown as a ratio between engines, not only as a number. */
  readonly compared: boolean;
}

export interface WorkContext {
  readonly plan: Plan;
  readonly driver: Driver;
  readonly engine: RunningEngine;
  readonly upstream: Upstream;
  /** The next small bodies that nobody asked this engine for yet. */
  takeBodies(count: number): BodyRange;
}

export interface WorkResult {
  /** By metric id; a metric that makes no sense for this engine is absent. */
  readonly values: Readonly<Record<string, number>>;
  /** Bodies that clients completed, warm-up included: what the engine's record has to hold. */
  readonly downloads: number;
}

/** One kind of load. A new one is a file here and a line in `list.ts`. */
export interface Work {
  readonly id: string;
  readonly metrics: readonly Metric[];
  run(context: WorkContext): Promise<WorkResult>;
}
