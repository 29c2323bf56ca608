import type { Plan } from '../plan.ts';
import { type MadeFolder, medium, small } from '../upstream/made-body.ts';
import { measureJob, shareMetrics, shareValues } from './processor-time.ts';
import { through, type Work } from './work.ts';

/** One in so many new tunnels has its certificate checked. */
export const verifyEvery = 16;
/** Until all clients of the measured job are under way. */
const settleMs = 100;

interface SmallWork {
  readonly id: string;
  readonly kind: 'kept' | 'fresh';
  readonly title: string;
  readonly unit: string;
  readonly folder: MadeFolder;
  bodies(plan: Plan): number;
}

/** 1 KiB bodies, each another one, on tunnels that stay open. */
export const keptRequests = smallBodies({
  id: 'kept',
  kind: 'kept',
  title: '1 KiB on kept tunnels',
  unit: 'requests/s',
  folder: small,
  bodies: ({ keptBodies }) => keptBodies,
});

/** The same with 100 KiB. */
export const keptMediumRequests = smallBodies({
  id: 'kept100k',
  kind: 'kept',
  title: '100 KiB on kept tunnels',
  unit: 'requests/s',
  folder: medium,
  bodies: ({ mediumBodies }) => mediumBodies,
});

/** TCP, CONNECT, TLS, one 1 KiB body, close. */
export const newConnections = smallBodies({
  id: 'fresh',
  kind: 'fresh',
  title: 'new connections',
  unit: 'connections/s',
  folder: small,
  bodies: ({ freshBodies }) => freshBodies,
});

function smallBodies({ id, kind, title, unit, folder, bodies: count }: SmallWork): Work {
  const detail = { better: 'lower', compared: false } as const;
  return {
    id,
    metrics: [
      { id: `${id}.rate`, title, unit, better: 'higher', compared: true },
      { id: `${id}.cpu`, title: `processor time, ${title}`, unit: 'ms each', better: 'lower', compared: true },
      { id: `${id}.p50`, title: 'median latency', unit: 'ms', ...detail },
      { id: `${id}.p99`, title: '99th percentile', unit: 'ms', ...detail },
      ...shareMetrics(id),
    ],
    async run(context) {
      const { plan, driver, engine } = context;
      const { clients, warmUpMs, measureMs } = plan;
      const bodies = context.takeBodies(folder, count(plan));
      return through(engine, bodies, async (route) => {
        const load = { kind, route, clients, verifyEvery };
        // A job of its own: what an engine does once (each of its processes reads the session) is not in the processor time.
        const first = await driver.run({ ...load, bodies, warmUpMs: 0, measureMs: warmUpMs });
        const rest = { ...bodies, first: first.next };
        const measured = await measureJob(context, () =>
          driver.run({ ...load, bodies: rest, warmUpMs: settleMs, measureMs }),
        );
        const { result, engineMs } = measured;
        const values: Record<string, number> = {
          [`${id}.rate`]: (result.completed * 1000) / result.elapsedMs,
          [`${id}.p50`]: result.p50Ms,
          [`${id}.p99`]: result.p99Ms,
          ...shareValues(id, measured),
        };
        if (engineMs !== undefined) values[`${id}.cpu`] = engineMs / result.completedEver;
        return { values, downloads: first.completedEver + result.completedEver };
      });
    },
  };
}
