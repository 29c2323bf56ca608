import { setTimeout as sleep } from 'node:timers/promises';
import { readMemory, resetPeakRss } from './process-tree.ts';

const mib = 1024 * 1024;
const intervalMs = 250;
/** Points that are kept of one curve. */
const mostPoints = 40;

/** Resident memory of the engine's largest process at a time since the work began. */
export interface MemoryPoint {
  readonly atMs: number;
  readonly mib: number;
}

export interface MemoryReading {
  /** The kernel's own mark of the largest process, MiB. */
  readonly peak: number;
  /** The same, summed over all processes. */
  readonly peakOfAll: number;
  /** Of the largest process after quiet time. */
  readonly level: number;
  readonly points: readonly MemoryPoint[];
}

/** Watches a process and its children while something runs, and for `settleMs` after it. */
export async function watchMemory<T>(
  pid: number,
  settleMs: number,
  run: () => Promise<T>,
): Promise<{ result: T; memory: MemoryReading }> {
  await resetPeakRss(pid);
  const begin = performance.now();
  const points: MemoryPoint[] = [];
  let highest = 0;
  let highestOfAll = 0;
  const note = async () => {
    const { largest, peak, peakOfAll } = await readMemory(pid);
    // A process that ends takes its mark along.
    highest = Math.max(highest, largest, peak);
    highestOfAll = Math.max(highestOfAll, peakOfAll);
    points.push({ atMs: Math.round(performance.now() - begin), mib: inMib(largest) });
  };
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      await note();
      await sleep(intervalMs);
    }
  })();
  try {
    const result = await run();
    await sleep(settleMs);
    await note();
    const level = points.at(-1)?.mib ?? 0;
    return { result, memory: { peak: inMib(highest), peakOfAll: inMib(highestOfAll), level, points: thinned(points) } };
  } finally {
    isOver = true;
    await watching;
  }
}

/** With one decimal: pages more or less say nothing. */
function inMib(bytes: number): number {
  return Math.round((bytes / mib) * 10) / 10;
}

/** At most so many points, each the highest of its neighbours; first and last stay. */
export function thinned(points: readonly MemoryPoint[], most = mostPoints): MemoryPoint[] {
  const each = Math.ceil(points.length / most);
  if (each <= 1) return [...points];
  const kept: MemoryPoint[] = [];
  for (let from = 0; from < points.length - 1; from += each) {
    const group = points.slice(from, Math.min(from + each, points.length - 1));
    kept.push(group.reduce((highest, point) => (point.mib > highest.mib ? point : highest)));
  }
  return [...kept, ...points.slice(-1)];
}
