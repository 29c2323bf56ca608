import type { RunningEngine } from '../engines/engine.ts';
import type { Driver } from '../load/driver.ts';
import type { MadeBodies, Route } from '../load/job.ts';
import type { MemoryPoint } from '../measure/memory.ts';
import type { Plan } from '../plan.ts';
import type { MadeFolder } from '../upstream/made-body.ts';
import type { Upstream } from '../upstream/start-upstream.ts';

/** A number that a work gives for each engine and round. */
export interface Metric {
  /** `<work>.<name>` */
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
  /** Ending of host names of this machine; works that need them do not run without. */
  readonly hostSuffix: string | undefined;
  /** The next made bodies that nobody asked this engine for yet. */
  takeBodies(folder: MadeFolder, count: number): MadeBodies;
}

export interface WorkResult {
  /** By metric id; a metric that makes no sense for this engine is absent. */
  readonly values: Readonly<Record<string, number>>;
  /** Bodies that clients completed, warm-up included: what the upstream has to have sent. */
  readonly downloads: number;
  /** Memory over time. */
  readonly memory?: readonly MemoryPoint[];
}

/** One kind of load. A new one is a file here and a line in `list.ts`. */
export interface Work {
  readonly id: string;
  readonly metrics: readonly Metric[];
  /** Runs until so much is done, so once for each engine and after all rounds. */
  readonly long?: boolean;
  /** It needs host names of its own. */
  readonly hostNames?: boolean;
  run(context: WorkContext): Promise<WorkResult>;
}

/** Opens a way through the engine for one work, and at its end lets the engine prove what it recorded of it. */
export async function through(
  engine: RunningEngine,
  bodies: MadeBodies | undefined,
  run: (route: Route) => Promise<WorkResult>,
  { andRemove = false } = {},
): Promise<WorkResult> {
  const { route, finish, remove } = await engine.open(bodies);
  const result = await run(route);
  await finish?.(result.downloads);
  if (andRemove) await remove?.();
  return result;
}
