import type { RunningEngine } from '../engines/engine.ts';
import type { MadeBodies, SmallJob } from '../load/job.ts';
import type { Stage } from '../stage.ts';
import { type MadeFolder, medium, small } from '../upstream/made-body.ts';
import { inPieces } from '../works/large-bodies.ts';
import { through } from '../works/work.ts';

/** Small, so that there are many builds to draw a line through. */
const amounts = { kept: 3_000, medium: 200, fresh: 150, hosts: 60 };
const limitMs = 60_000;
const clients = 32;

/**
 * One build of mixed load: small, medium and large bodies, new tunnels, new hosts. Each kind is a session whose report is
 * checked and which is removed.
 * @param number of the build, from 0: no two ask for the same made bodies
 * @returns downloads
 */
export async function runBuild(stage: Stage, engine: RunningEngine, number: number): Promise<number> {
  const { driver, upstream } = stage;
  let downloads = 0;
  for (const { kind, bodies } of smallJobs(stage, number)) {
    const load = { clients, warmUpMs: 0, measureMs: limitMs, verifyEvery: 4 };
    const job = async (route: SmallJob['route']) => driver.run({ kind, route, bodies, ...load });
    downloads += await inSession(engine, bodies, async (route) => (await job(route)).completedEver);
  }
  const large = [upstream.large, ...upstream.parts].map(inPieces);
  return (
    downloads +
    (await inSession(
      engine,
      undefined,
      async (route) => (await driver.run({ kind: 'large', route, large })).completedEver,
    ))
  );
}

function smallJobs({ names }: Stage, number: number): Pick<SmallJob, 'kind' | 'bodies'>[] {
  const all = Object.values(amounts).reduce((sum, amount) => sum + amount, 0);
  let next = number * all;
  const take = (folder: MadeFolder, count: number): MadeBodies => {
    const first = next;
    next += count;
    return { ...folder, first, end: next };
  };
  return [
    { kind: 'kept', bodies: take(small, amounts.kept) },
    { kind: 'kept', bodies: take(medium, amounts.medium) },
    { kind: 'fresh', bodies: take(small, amounts.fresh) },
    ...('suffix' in names
      ? [{ kind: 'fresh' as const, bodies: { ...take(small, amounts.hosts), hostSuffix: names.suffix } }]
      : []),
  ];
}

async function inSession(
  engine: RunningEngine,
  bodies: MadeBodies | undefined,
  run: (route: SmallJob['route']) => Promise<number>,
): Promise<number> {
  const work = async (route: SmallJob['route']) => ({ values: {}, downloads: await run(route) });
  return (await through(engine, bodies, work, { andRemove: true })).downloads;
}
