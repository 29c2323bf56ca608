import { mkdir, rm } from 'node:fs/promises';
import type { Engine, RunningEngine } from './engines/engine.ts';
import type { Driver } from './load/driver.ts';
import type { BodyRange } from './load/job.ts';
import type { Plan } from './plan.ts';
import type { Turn } from './results/bench-result.ts';
import type { Upstream } from './upstream/start-upstream.ts';
import type { Certificate } from './upstream/throw-away-ca.ts';
import type { Work } from './works/work.ts';

export interface TurnOptions {
  readonly dir: string;
  readonly plan: Plan;
  readonly driver: Driver;
  readonly upstream: Upstream;
  readonly ca: Certificate;
  readonly works: readonly Work[];
  /** Leave the directory. */
  readonly keep: boolean;
  readonly profileDir: string | undefined;
}

/** More small bodies than any engine gets through in its turn, and still numbers of eight digits. */
const manyBodies = 40_000_000;

/** One engine in one round: started with an empty directory, driven through every work, asked what it recorded, stopped. */
export async function runTurn(engine: Engine, round: number, options: TurnOptions): Promise<Turn> {
  const { dir } = options;
  const values: Record<string, number> = {};
  const failures: Record<string, string> = {};
  let downloads = 0;
  let running: RunningEngine | undefined;
  try {
    await mkdir(dir, { recursive: true });
    running = await engine.start(options);
    const takeBodies = bodyRanges(engine.needsToKnowBodies);
    for (const work of options.works) {
      try {
        const result = await work.run({ ...options, engine: running, takeBodies });
        Object.assign(values, result.values);
        downloads += result.downloads;
      } catch (error) {
        failures[work.id] = tell(error, dir);
      }
    }
    if (Object.keys(failures).length === 0) await running.finish?.(downloads);
  } catch (error) {
    failures['*'] = tell(error, dir);
  } finally {
    await running?.stop();
    if (!options.keep) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
  return { round, engine: engine.id, values: '*' in failures ? {} : values, failures };
}

/** Hands out small bodies, no number twice: as many as planned, or without end. */
function bodyRanges(exact: boolean): (count: number) => BodyRange {
  let next = 0;
  return (count) => {
    const first = next;
    next += exact ? count : manyBodies;
    return { first, end: next };
  };
}

/** The first lines of an error, without where on this machine it happened. */
function tell(error: unknown, dir: string): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(dir, '<dir>').split('\n').slice(0, 6).join(' | ');
}
