import { peakRssOf, resetPeakRss } from '../measure/process-tree.ts';
import { withProcessorTime } from './processor-time.ts';
import type { Work, WorkContext } from './work.ts';

const mib = 1024 * 1024;
const gib = 1024 * mib;

/** One large body, and what memory the engine needs for it. A small one before it is compared byte by byte (sha256). */
export const largeBody: Work = {
  id: 'body',
  metrics: [
    { id: 'body.rate', title: 'large body', unit: 'MiB/s', better: 'higher', compared: true },
    { id: 'body.peakRss', title: 'peak memory during it', unit: 'MiB', better: 'lower', compared: false },
    { id: 'body.head', title: 'until its head came', unit: 'ms', better: 'lower', compared: false },
    { id: 'body.cpu', title: 'processor time', unit: 's/GiB', better: 'lower', compared: false },
    { id: 'body.driverShare', title: 'load driver', unit: 'cores', better: 'lower', compared: false },
    { id: 'body.upstreamShare', title: 'nginx', unit: 'cores', better: 'lower', compared: false },
  ],
  async run(context) {
    const { driver, engine, upstream } = context;
    const { pid } = engine;
    const route = await engine.route();
    await driver.run({ kind: 'large', route, ...upstream.probe });
    if (pid !== undefined) await resetPeakRss(pid);
    const { path, bytes } = upstream.large;
    const { result, time } = await withProcessorTime(context, () => driver.run({ kind: 'large', route, path, bytes }));
    return {
      values: {
        'body.rate': result.bytes / mib / (result.elapsedMs / 1000),
        'body.head': result.headMs,
        'body.driverShare': result.cpuMs / result.elapsedMs,
        'body.upstreamShare': time.upstreamShare,
        ...(await engineValues(context, time.engineMs, bytes)),
      },
      downloads: 2,
    };
  },
};

async function engineValues({ engine }: WorkContext, cpuMs: number | undefined, bytes: number) {
  if (engine.pid === undefined || cpuMs === undefined) return {};
  return { 'body.peakRss': (await peakRssOf(engine.pid)) / mib, 'body.cpu': cpuMs / 1000 / (bytes / gib) };
}
