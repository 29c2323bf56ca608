import type { JobResult } from '../load/job.ts';
import { cpuMsOf } from '../measure/process-tree.ts';
import type { Metric, WorkContext } from './work.ts';

export interface MeasuredJob {
  readonly result: JobResult;
  /** Processor time of the engine, all its processes and threads, ms; undefined when there is none. */
  readonly engineMs: number | undefined;
  /** Share of one core. */
  readonly upstreamShare: number;
}

/** Runs a job and tells what processor time the engine and the upstream took meanwhile. */
export async function measureJob(
  { engine, upstream }: WorkContext,
  run: () => Promise<JobResult>,
): Promise<MeasuredJob> {
  const read = async () => ({
    engine: engine.pid === undefined ? undefined : await cpuMsOf(engine.pid),
    upstream: await cpuMsOf(upstream.pid),
    at: performance.now(),
  });
  const before = await read();
  const result = await run();
  const after = await read();
  const engineMs = after.engine === undefined ? undefined : after.engine - (before.engine ?? 0);
  const upstreamShare = (after.upstream - before.upstream) / (after.at - before.at);
  return { result, engineMs, upstreamShare };
}

/** What limits, if not the engine: near one core, it was the driver or the upstream that was measured. */
export function shareMetrics(work: string): Metric[] {
  const more = { unit: 'cores', better: 'lower', compared: false } as const;
  return [
    { id: `${work}.driverShare`, title: 'load driver', ...more },
    { id: `${work}.upstreamShare`, title: 'nginx', ...more },
  ];
}

export function shareValues(work: string, { result, upstreamShare }: MeasuredJob): Record<string, number> {
  return { [`${work}.driverShare`]: result.cpuMs / result.elapsedMs, [`${work}.upstreamShare`]: upstreamShare };
}
