import { cpuMsOf } from '../measure/process-tree.ts';
import type { WorkContext } from './work.ts';

export interface ProcessorTime {
  /** Of the engine, all its processes, ms; undefined when there is none. */
  readonly engineMs: number | undefined;
  /** Share of one core. */
  readonly upstreamShare: number;
}

/** Runs something and tells what processor time the engine and the upstream took meanwhile. */
export async function withProcessorTime<T>(
  { engine, upstream }: WorkContext,
  run: () => Promise<T>,
): Promise<{ result: T; time: ProcessorTime }> {
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
  return { result, time: { engineMs, upstreamShare } };
}
