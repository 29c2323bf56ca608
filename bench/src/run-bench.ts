import { rmSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BenchError } from './bench-error.ts';
import { engines } from './engines/list.ts';
import { startDriver } from './load/driver.ts';
import type { Options } from './options.ts';
import { type BenchResult, type EngineEntry, summarise, type Turn } from './results/bench-result.ts';
import { describeMachine } from './results/machine.ts';
import { runTurn } from './run-turn.ts';
import { startUpstream } from './upstream/start-upstream.ts';
import { createThrowAwayCa } from './upstream/throw-away-ca.ts';
import { works } from './works/list.ts';

/** Runs every engine in every round and sums up. `say` gets a line of progress. */
export async function runBench(options: Options, say: (line: string) => void): Promise<BenchResult> {
  const dir = await makeWorkDirectory(options.workDir);
  // Also when a signal ends the benchmark; the programs that write there end the same way (processes/start-program.ts).
  const remove = () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  if (!options.keep) process.once('exit', remove);
  const cleanUp: (() => unknown)[] = [() => (options.keep ? say(`kept ${dir}`) : remove())];
  try {
    // squid gives up root's account for one that has to reach its own directory below this one.
    await chmod(dir, 0o711);
    const { plan } = options;
    const date = new Date().toISOString();
    const machine = await describeMachine(dir);
    const entries = await findEngines(options, say);
    const driver = await startDriver(dir, options.driverCores ?? (availableParallelism() >= 4 ? 2 : 1));
    cleanUp.push(() => driver.stop());
    say('starting nginx and writing its large body');
    const upstream = await startUpstream(dir, plan.largeBytes);
    cleanUp.push(() => upstream.stop());
    const ca = await createThrowAwayCa(dir, 'bench-root');
    const chosen = works.filter(({ id }) => options.workIds.includes(id));
    const present = engines.filter(({ id }) => entries.some((entry) => entry.id === id && entry.missing === undefined));
    const { keep, profileDir } = options;
    const turnOptions = { plan, driver, upstream, ca, works: chosen, keep, profileDir };
    const turns: Turn[] = [];
    for (let round = 1; round <= plan.rounds; round++) {
      for (const engine of rotated(present, round - 1)) {
        const turn = await runTurn(engine, round, { ...turnOptions, dir: join(dir, `${engine.id}-${round}`) });
        say(progress(turn, plan.rounds));
        turns.push(turn);
      }
    }
    const metrics = chosen.flatMap((work) => work.metrics);
    const software = { nginx: upstream.version, go: driver.version };
    return {
      format: 1,
      date,
      kind: options.kind,
      machine,
      software,
      plan,
      metrics,
      engines: entries,
      turns,
      ...summarise(entries, metrics, turns),
    };
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}

async function makeWorkDirectory(parent: string): Promise<string> {
  return mkdtemp(join(parent, 'waybill-bench-')).catch((cause: Error) => {
    throw new BenchError('BENCH_USAGE', `nothing can be written in ${parent}: ${cause.message}`, {
      cause,
      hint: 'name a directory on a disk with --work-dir',
    });
  });
}

async function findEngines(options: Options, say: (line: string) => void): Promise<EngineEntry[]> {
  const chosen = engines.filter(({ id }) => options.engineIds.includes(id));
  const entries = await Promise.all(chosen.map(async ({ id, does, find }) => ({ id, does, ...(await find()) })));
  for (const entry of entries) if ('missing' in entry) say(`SKIPPED ${entry.id}: ${entry.missing}`);
  return entries;
}

/** Each round begins with another engine, so that none always follows the same one. */
function rotated<T>(all: readonly T[], by: number): T[] {
  return all.map((_, index) => all[(index + by) % all.length] as T);
}

function progress({ round, engine, values, failures }: Turn, rounds: number): string {
  const rates = Object.entries(values).filter(([id]) => id.endsWith('.rate'));
  const numbers = rates.map(([id, value]) => `${id.slice(0, -'.rate'.length)} ${Math.round(value)}`);
  const faults = Object.entries(failures).map(([work, why]) => `${work} NOT COUNTED: ${why}`);
  return `round ${round}/${rounds} ${engine}: ${[...numbers, ...faults].join(', ')}`;
}
