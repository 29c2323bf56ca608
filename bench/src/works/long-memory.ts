import type { MadeBodies, Route } from '../load/job.ts';
import { watchMemory } from '../measure/memory.ts';
import { small } from '../upstream/made-body.ts';
import { inPieces } from './large-bodies.ts';
import { verifyEvery } from './small-bodies.ts';
import { through, type Work, type WorkContext, type WorkResult } from './work.ts';

/** During one large body. */
export const memoryOfBody = memoryWork(
  'memory-body',
  'one large body',
  'bodies',
  async ({ engine, driver, upstream }) => {
    const { downloads } = await through(engine, undefined, async (route) => {
      const { completedEver } = await driver.run({ kind: 'large', route, large: [inPieces(upstream.large)] });
      return { values: {}, downloads: completedEver };
    });
    return downloads;
  },
);

/** During and after as many hosts as no engine keeps apart for ever. */
export const memoryOfHosts: Work = {
  ...memoryWork('memory-hosts', 'many hosts', 'hosts', (context) => {
    const { hostSuffix, plan } = context;
    const suffix = hostSuffix === undefined ? {} : { hostSuffix };
    return fetchAll(context, { kind: 'fresh', count: plan.long.hosts, limitMs: plan.long.hostsMs, ...suffix });
  }),
  hostNames: true,
};

/** During and after many requests: one build after the other, each a session that is removed when it is over. */
export const memoryOfRequests = memoryWork('memory-requests', 'many requests', 'requests', async (context) => {
  const { plan } = context;
  const deadline = performance.now() + plan.long.requestsMs;
  let done = 0;
  while (done < plan.long.requests) {
    const count = Math.min(plan.long.sessionRequests, plan.long.requests - done);
    const limitMs = Math.max(0, Math.round(deadline - performance.now()));
    if (limitMs === 0) break;
    done += await fetchAll(context, { kind: 'kept', count, limitMs });
  }
  return done;
});

function memoryWork(id: string, title: string, unit: string, run: (context: WorkContext) => Promise<number>): Work {
  const metric = { unit: 'MiB', better: 'lower', compared: false } as const;
  return {
    id,
    long: true,
    metrics: [
      { id: `${id}.peak`, title: `peak of a process, ${title}`, ...metric },
      { id: `${id}.level`, title: 'level after it', ...metric },
      { id: `${id}.peakOfAll`, title: 'peak of all processes', ...metric },
      { id: `${id}.count`, title: 'done', unit, better: 'higher', compared: false },
    ],
    run: (context) => watched(id, context, run),
  };
}

async function watched(
  id: string,
  context: WorkContext,
  run: (context: WorkContext) => Promise<number>,
): Promise<WorkResult> {
  const { pid } = context.engine;
  if (pid === undefined) return { values: {}, downloads: 0 };
  const { result: downloads, memory } = await watchMemory(pid, context.plan.long.settleMs, () => run(context));
  const { peak, peakOfAll, level, points } = memory;
  const values = {
    [`${id}.peak`]: peak,
    [`${id}.level`]: level,
    [`${id}.peakOfAll`]: peakOfAll,
    [`${id}.count`]: downloads,
  };
  return { values, downloads, memory: points };
}

interface Load {
  readonly kind: 'kept' | 'fresh';
  readonly count: number;
  readonly limitMs: number;
  readonly hostSuffix?: string;
}

/** Fetches so many bodies, each another one, or as many as the time allows. */
async function fetchAll(context: WorkContext, { kind, count, limitMs, ...hosts }: Load): Promise<number> {
  const { engine, driver, plan } = context;
  const taken = context.takeBodies(small, count);
  const bodies: MadeBodies = { ...taken, end: taken.first + count, ...hosts };
  const run = async (route: Route) => {
    const load = { clients: plan.clients, warmUpMs: 0, measureMs: limitMs, verifyEvery };
    const { completedEver } = await driver.run({ kind, route, bodies, ...load });
    return { values: {}, downloads: completedEver };
  };
  return (await through(engine, bodies, run, { andRemove: true })).downloads;
}
