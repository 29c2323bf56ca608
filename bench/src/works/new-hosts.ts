import { small } from '../upstream/made-body.ts';
import { measureJob } from './processor-time.ts';
import { through, type Work } from './work.ts';

/** The first request to a host: name, leaf certificate, TLS on both sides. One client, one host after the other. */
export const newHosts: Work = {
  id: 'newhost',
  hostNames: true,
  metrics: [
    { id: 'newhost.p50', title: 'first request to a host, median', unit: 'ms', better: 'lower', compared: true },
    { id: 'newhost.p99', title: '99th percentile', unit: 'ms', better: 'lower', compared: false },
    { id: 'newhost.cpu', title: 'processor time', unit: 'ms each', better: 'lower', compared: false },
    { id: 'newhost.count', title: 'hosts', unit: 'each', better: 'higher', compared: false },
  ],
  async run(context) {
    const { plan, driver, engine, hostSuffix } = context;
    const taken = context.takeBodies(small, plan.newHosts);
    const hosts = hostSuffix === undefined ? {} : { hostSuffix };
    const bodies = { ...taken, end: taken.first + plan.newHosts, ...hosts };
    return through(engine, bodies, async (route) => {
      const load = { clients: 1, warmUpMs: 0, measureMs: plan.newHostsMs, verifyEvery: 1 };
      const { result, engineMs } = await measureJob(context, () =>
        driver.run({ kind: 'fresh', route, bodies, ...load }),
      );
      const values: Record<string, number> = {
        'newhost.p50': result.p50Ms,
        'newhost.p99': result.p99Ms,
        'newhost.count': result.completed,
      };
      if (engineMs !== undefined) values['newhost.cpu'] = engineMs / result.completedEver;
      return { values, downloads: result.completedEver };
    });
  },
};
