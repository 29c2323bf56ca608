import { join } from 'node:path';
import type { Engine } from './engines/engine.ts';
import type { Options } from './options.ts';
import { type BenchResult, type EngineEntry, summarise, type Turn } from './results/bench-result.ts';
import { describeMachine } from './results/machine.ts';
import { rotated, runRounds } from './rounds.ts';
import { runTurn } from './run-turn.ts';
import { type Say, type Stage, withStage } from './stage.ts';
import type { Work } from './works/work.ts';

/** Runs every engine in every round and sums up. `say` gets a line of progress. */
export async function runBench(options: Options, say: Say): Promise<BenchResult> {
  return withStage(options, say, async (stage) => {
    const { kind, plan } = options;
    const date = new Date().toISOString();
    const machine = await describeMachine(stage.dir);
    const software = { nginx: stage.upstream.version, go: stage.driver.version };
    const engines = await findEngines(options.engines, say);
    const { works, skipped } = chooseWorks(options.works, stage, say);
    const present = options.engines.filter(({ id }) => engines.some((entry) => entry.id === id && !entry.missing));
    const turns = await runTurns(present, works, { options, stage, say });
    const metrics = works.flatMap((work) => work.metrics);
    const facts = { format: 2, date, kind, machine, software, plan, metrics, engines, skipped, turns } as const;
    return { ...facts, ...summarise(engines, metrics, turns) };
  });
}

interface Scene {
  readonly options: Options;
  readonly stage: Stage;
  readonly say: Say;
}

/** The rounds, and after them one more of the long works. */
async function runTurns(engines: readonly Engine[], works: readonly Work[], scene: Scene): Promise<Turn[]> {
  const turns: Turn[] = [];
  const short = works.filter((work) => !work.long);
  const long = works.filter((work) => work.long);
  const run = async (engine: Engine, round: number, of: readonly Work[]) => {
    const turn = await runOne(engine, round, of, scene);
    scene.say(progress(turn));
    turns.push(turn);
  };
  let rounds = 0;
  if (short.length > 0) {
    const round = async (number: number) => {
      for (const engine of rotated(engines, number - 1)) await run(engine, number, short);
    };
    rounds = await runRounds(scene.options.plan, round, scene.say);
  }
  if (long.length > 0) {
    for (const engine of engines.filter(({ longWorks }) => longWorks)) await run(engine, rounds + 1, long);
  }
  return turns;
}

function runOne(engine: Engine, round: number, works: readonly Work[], { options, stage }: Scene): Promise<Turn> {
  const { plan, keep, profileDir, processes } = options;
  const { driver, upstream, ca, names } = stage;
  const hosts =
    'suffix' in names
      ? { hostSuffix: names.suffix, wrap: names.wrap }
      : { hostSuffix: undefined, wrap: <T>(command: T) => command };
  const dir = join(stage.dir, `${engine.id}-${round}`);
  return runTurn(engine, round, { dir, plan, driver, upstream, ca, works, keep, profileDir, processes, ...hosts });
}

async function findEngines(engines: readonly Engine[], say: Say): Promise<EngineEntry[]> {
  const entries = await Promise.all(engines.map(async ({ id, does, find }) => ({ id, does, ...(await find()) })));
  for (const entry of entries) if ('missing' in entry) say(`SKIPPED ${entry.id}: ${entry.missing}`);
  return entries;
}

function chooseWorks(works: readonly Work[], { names }: Stage, say: Say) {
  const why = 'missing' in names ? names.missing : undefined;
  const skipped = works.filter(({ hostNames }) => hostNames && why).map(({ id }) => ({ id, why: why as string }));
  for (const { id } of skipped) say(`SKIPPED ${id}: ${why}`);
  return { works: works.filter(({ id }) => !skipped.some((work) => work.id === id)), skipped };
}

function progress({ round, engine, values, failures }: Turn): string {
  const numbers = Object.entries(values)
    .filter(([id]) => /[.](rate|addedP50|p50|level)$/.test(id) && !/^(kept|kept100k|fresh|latency)[.]p50$/.test(id))
    .map(([id, value]) => `${id.replace(/[.]rate$/, '')} ${value < 10 ? value.toFixed(2) : Math.round(value)}`);
  const faults = Object.entries(failures).map(([work, why]) => `${work} NOT COUNTED: ${why}`);
  return `round ${round} ${engine}: ${[...numbers, ...faults].join(', ')}`;
}
