import { small } from '../upstream/made-body.ts';
import { through, type Work } from './work.ts';

const warmUp = 200;
const detail = { unit: 'ms', better: 'lower', compared: false } as const;

/**
 * What the engine adds to one 1 KiB request when there is nothing else to do: percentiles through it less those of the
 * direct way, asked in turns so that both meet the same machine.
 */
export const addedLatency: Work = {
  id: 'latency',
  metrics: [
    { id: 'latency.addedP50', title: 'added latency, median', ...detail },
    { id: 'latency.addedP99', title: 'added latency, 99th percentile', ...detail },
    { id: 'latency.p50', title: 'median', ...detail },
    { id: 'latency.p99', title: '99th percentile', ...detail },
    { id: 'latency.directP50', title: 'direct, median', ...detail },
    { id: 'latency.directP99', title: 'direct, 99th percentile', ...detail },
  ],
  async run(context) {
    const { plan, driver, engine, upstream } = context;
    const taken = context.takeBodies(small, plan.latencySamples + warmUp);
    const bodies = { ...taken, end: taken.first + plan.latencySamples + warmUp };
    const direct = { host: upstream.host, port: upstream.port, ca: [upstream.caPem] };
    return through(engine, bodies, async (route) => {
      const { latencyPauseMs: pauseMs } = plan;
      const found = await driver.run({ kind: 'latency', route, direct, bodies, warmUp, pauseMs });
      const through = { 'latency.p50': found.p50Ms, 'latency.p99': found.p99Ms };
      const between = { 'latency.directP50': found.directP50Ms, 'latency.directP99': found.directP99Ms };
      const added = {
        'latency.addedP50': found.p50Ms - found.directP50Ms,
        'latency.addedP99': found.p99Ms - found.directP99Ms,
      };
      // Without an engine both ways are the same, and their difference is noise.
      const values = engine.pid === undefined ? through : { ...added, ...through, ...between };
      return { values, downloads: found.completedEver };
    });
  },
};
