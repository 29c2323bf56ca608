import { mkdir, rm } from 'node:fs/promises';
import { BenchError } from './bench-error.ts';
import type { Engine, RunningEngine, Site } from './engines/engine.ts';
import type { Driver } from './load/driver.ts';
import type { MadeBodies } from './load/job.ts';
import type { MemoryPoint } from './measure/memory.ts';
import type { Plan } from './plan.ts';
import type { Turn } from './results/bench-result.ts';
import { type MadeFolder, manyBodies } from './upstream/made-body.ts';
import type { Work, WorkContext, WorkResult } from './works/work.ts';

export interface TurnOptions extends Site {
  readonly plan: Plan;
  readonly driver: Driver;
  readonly works: readonly Work[];
  readonly hostSuffix: string | undefined;
  /** Leave the directory. */
  readonly keep: boolean;
}

/** One engine in one round: started with an empty directory, driven through every work, asked what it recorded, stopped. */
export async function runTurn(engine: Engine, round: number, options: TurnOptions): Promise<Turn> {
  const { dir, works } = options;
  const values: Record<string, number> = {};
  const memory: Record<string, readonly MemoryPoint[]> = {};
  const failures: Record<string, string> = {};
  let running: RunningEngine | undefined;
  try {
    await mkdir(dir, { recursive: true });
    running = await engine.start(options);
    const takeBodies = bodyRanges(engine.needsToKnowBodies);
    for (const work of works) {
      try {
        const result = await runWork(work, { ...options, engine: running, takeBodies });
        Object.assign(values, result.values);
        if (result.memory) memory[work.id] = result.memory;
      } catch (error) {
        // An engine that lost one record may have lost others: nothing of its turn counts.
        if (error instanceof BenchError && error.code === 'BENCH_RECORD_INCOMPLETE') throw error;
        failures[work.id] = tell(error, dir);
      }
    }
  } catch (error) {
    failures['*'] = tell(error, dir);
  } finally {
    await running?.stop();
    if (!options.keep) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
  const isVoid = '*' in failures;
  return { round, engine: engine.id, values: isVoid ? {} : values, memory: isVoid ? {} : memory, failures };
}

/** @throws BenchError `BENCH_ANSWER_WRONG` when not every body came from the upstream */
async function runWork(work: Work, context: WorkContext): Promise<WorkResult> {
  const before = await context.upstream.requests();
  const result = await work.run(context);
  const answered = (await context.upstream.requests()) - before;
  if (answered >= result.downloads) return result;
  const what = `clients completed ${result.downloads} bodies, of which the upstream sent ${answered}`;
  throw new BenchError('BENCH_ANSWER_WRONG', `${what}: the others came out of a cache`);
}

/** Hands out made bodies, no number twice: as many as planned, or without end. */
function bodyRanges(exact: boolean): (folder: MadeFolder, count: number) => MadeBodies {
  let next = 0;
  return ({ folder, bytes }, count) => {
    const first = next;
    next += exact ? count : manyBodies;
    return { folder, bytes, first, end: next };
  };
}

/** The first lines of an error, without where on this machine it happened. */
function tell(error: unknown, dir: string): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(dir, '<dir>').split('\n').slice(0, 6).join(' | ');
}
