import { withProcessorTime } from './processor-time.ts';
import type { Metric, Work } from './work.ts';

/** 1 KiB bodies, each another one, on tunnels that stay open. */
export const keptRequests = smallBodies('kept', 'requests on kept tunnels', 'requests/s');

/** TCP, CONNECT, TLS, one 1 KiB body, close. */
export const newConnections = smallBodies('fresh', 'new connections', 'connections/s');

function smallBodies(kind: 'kept' | 'fresh', title: string, unit: string): Work {
  const metric = (id: string, more: Omit<Metric, 'id' | 'better' | 'compared'>): Metric => ({
    id: `${kind}.${id}`,
    better: 'lower',
    compared: false,
    ...more,
  });
  return {
    id: kind,
    metrics: [
      { id: `${kind}.rate`, title, unit, better: 'higher', compared: true },
      metric('p50', { title: 'median latency', unit: 'ms' }),
      metric('p99', { title: '99th percentile', unit: 'ms' }),
      metric('cpu', { title: 'processor time', unit: 'ms each' }),
      metric('driverShare', { title: 'load driver', unit: 'cores' }),
      metric('upstreamShare', { title: 'nginx', unit: 'cores' }),
    ],
    async run(context) {
      const { plan, driver, engine } = context;
      const { clients, warmUpMs, measureMs } = plan;
      const bodies = context.takeBodies(kind === 'kept' ? plan.keptBodies : plan.freshBodies);
      const job = { kind, route: await engine.route(bodies), clients, warmUpMs, measureMs, bodies };
      const { result, time } = await withProcessorTime(context, () => driver.run(job));
      return {
        values: {
          [`${kind}.rate`]: (result.completed * 1000) / result.elapsedMs,
          [`${kind}.p50`]: result.p50Ms,
          [`${kind}.p99`]: result.p99Ms,
          [`${kind}.driverShare`]: result.cpuMs / result.elapsedMs,
          [`${kind}.upstreamShare`]: time.upstreamShare,
          ...(time.engineMs === undefined ? {} : { [`${kind}.cpu`]: time.engineMs / result.completedEver }),
        },
        downloads: result.completedEver,
      };
    },
  };
}
