import type { LargeRequest, Route } from '../load/job.ts';
import { peakRssOf, resetPeakRss } from '../measure/process-tree.ts';
import type { LargeBody } from '../upstream/large-body.ts';
import type { Upstream } from '../upstream/start-upstream.ts';
import { measureJob, shareMetrics, shareValues } from './processor-time.ts';
import { through, type Work, type WorkContext, type WorkResult } from './work.ts';

const mib = 1024 * 1024;
const gib = 1024 * mib;

/** One large body, after a small one of which every byte is compared. */
export const largeBody = largeBodies('body', 'large body', ({ large, probe }) => ({
  first: [probe],
  measured: [large],
}));

/** Several at the same time. */
export const parallelBodies = largeBodies('bodies', 'bodies in parallel', ({ parts }) => ({
  first: [],
  measured: parts,
}));

interface Choice {
  readonly first: readonly LargeBody[];
  readonly measured: readonly LargeBody[];
}

function largeBodies(id: string, title: string, choose: (upstream: Upstream) => Choice): Work {
  return {
    id,
    metrics: [
      { id: `${id}.rate`, title, unit: 'MiB/s', better: 'higher', compared: true },
      { id: `${id}.cpu`, title: `processor time, ${title}`, unit: 's/GiB', better: 'lower', compared: true },
      { id: `${id}.peakRss`, title: 'peak memory', unit: 'MiB', better: 'lower', compared: false },
      { id: `${id}.head`, title: 'until heads came', unit: 'ms', better: 'lower', compared: false },
      ...shareMetrics(id),
    ],
    run: (context) => through(context.engine, undefined, (route) => fetchBodies(id, choose, { ...context, route })),
  };
}

async function fetchBodies(
  id: string,
  choose: (upstream: Upstream) => Choice,
  context: WorkContext & { readonly route: Route },
): Promise<WorkResult> {
  const { engine, driver, route } = context;
  const { first, measured: bodies } = choose(context.upstream);
  if (first.length > 0) await driver.run({ kind: 'large', route, large: first.map(whole) });
  if (engine.pid !== undefined) await resetPeakRss(engine.pid);
  const measured = await measureJob(context, () => driver.run({ kind: 'large', route, large: bodies.map(inPieces) }));
  const { result, engineMs } = measured;
  const values: Record<string, number> = {
    [`${id}.rate`]: result.bytes / mib / (result.elapsedMs / 1000),
    [`${id}.head`]: result.headMs,
    ...shareValues(id, measured),
  };
  if (engine.pid !== undefined) values[`${id}.peakRss`] = (await peakRssOf(engine.pid)) / mib;
  if (engineMs !== undefined) values[`${id}.cpu`] = engineMs / 1000 / (result.bytes / gib);
  return { values, downloads: first.length + result.completedEver };
}

/** The length, and some pieces: hashing all of it would cost the driver as much as receiving it. */
export function inPieces({ path, bytes, pieces }: LargeBody): LargeRequest {
  return { path, bytes, pieces };
}

function whole({ path, bytes, sha256 }: LargeBody): LargeRequest {
  return { path, bytes, sha256 };
}
