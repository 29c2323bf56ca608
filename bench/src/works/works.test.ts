import { describe, expect, it } from 'vitest';
import type { RunningEngine } from '../engines/engine.ts';
import type { Job, JobResult } from '../load/job.ts';
import { quickPlan } from '../plan.ts';
import type { LargeBody } from '../upstream/large-body.ts';
import type { Upstream } from '../upstream/start-upstream.ts';
import { largeBody, parallelBodies } from './large-bodies.ts';
import { addedLatency } from './latency.ts';
import { works } from './list.ts';
import { memoryOfHosts, memoryOfRequests } from './long-memory.ts';
import { newHosts } from './new-hosts.ts';
import { keptMediumRequests, newConnections } from './small-bodies.ts';
import type { Work, WorkContext } from './work.ts';

const mib = 1024 * 1024;
const route = { host: 'localhost', port: 443, ca: ['pem'], proxy: { address: '127.0.0.1:1' } };
const body = (path: string, bytes: number): LargeBody => ({ path, bytes, sha256: 'abc', pieces: [] });
const upstream = {
  host: 'localhost',
  port: 443,
  caPem: 'root',
  pid: process.pid,
  probe: body('/large/probe', mib),
  large: body('/large/body', 512 * mib),
  parts: [body('/large/1', 100 * mib), body('/large/2', 100 * mib)],
} as unknown as Upstream;
const nothing: JobResult = {
  completed: 0,
  completedEver: 0,
  bytes: 0,
  elapsedMs: 1,
  p50Ms: 0,
  p99Ms: 0,
  directP50Ms: 0,
  directP99Ms: 0,
  headMs: 0,
  exhausted: false,
  next: 0,
  cpuMs: 0,
};

interface Scene {
  /** With a process of its own: this one, so that there is something to read in /proc. */
  readonly isProcess?: boolean;
  answer?(job: Job): Partial<JobResult>;
}

/** Runs a work against made-up engine, driver and upstream. */
async function run(work: Work, { isProcess = true, answer = () => ({}) }: Scene) {
  const jobs: Job[] = [];
  const finished: number[] = [];
  const removed: number[] = [];
  let next = 0;
  const engine: RunningEngine = {
    ...(isProcess && { pid: process.pid }),
    open: async () => ({
      route,
      finish: async (downloads) => void finished.push(downloads),
      remove: async () => void removed.push(1),
    }),
    stop: async () => {},
  };
  const driver = {
    version: '1',
    run: async (job: Job) => {
      jobs.push(job);
      return { ...nothing, ...answer(job) };
    },
    stop: () => {},
  };
  const plan = { ...quickPlan, long: { ...quickPlan.long, settleMs: 0 } };
  const takeBodies: WorkContext['takeBodies'] = (folder, count) => {
    next += count;
    return { ...folder, first: next - count, end: next + 1_000_000 };
  };
  const result = await work.run({ plan, driver, engine, upstream, hostSuffix: '.hosts.example', takeBodies });
  return { ...result, jobs, finished, removed };
}

describe('large bodies', () => {
  it('measure one body after a probe, in MiB/s', async () => {
    const answer = (job: Job) =>
      job.kind === 'large' && job.large[0]?.path === '/large/body'
        ? { completedEver: 1, bytes: 512 * mib, elapsedMs: 2_000, headMs: 5, cpuMs: 500 }
        : { completedEver: 1, bytes: mib, elapsedMs: 1 };
    const { values, downloads, jobs, finished } = await run(largeBody, { answer });
    expect(values).toMatchObject({ 'body.rate': 256, 'body.head': 5, 'body.driverShare': 0.25 });
    expect(values['body.peakRss']).toBeGreaterThan(10);
    expect([downloads, finished]).toEqual([2, [2]]);
    expect(jobs).toEqual([
      { kind: 'large', route, large: [{ path: '/large/probe', bytes: mib, sha256: 'abc' }] },
      { kind: 'large', route, large: [{ path: '/large/body', bytes: 512 * mib, pieces: [] }] },
    ]);
  });

  it('measure several at once as one', async () => {
    const answer = () => ({ completedEver: 2, bytes: 200 * mib, elapsedMs: 500 });
    const { values, downloads, jobs } = await run(parallelBodies, { answer });
    expect(values['bodies.rate']).toBe(400);
    expect(downloads).toBe(2);
    expect(jobs).toHaveLength(1);
  });
});

describe('small bodies', () => {
  const warmUp = { completedEver: 50, completed: 50, elapsedMs: 1, next: 50 };
  const answer = (job: Job) =>
    'bodies' in job && job.bodies.first === 0
      ? warmUp
      : { completed: 900, completedEver: 1_200, elapsedMs: 1_500, p50Ms: 1, p99Ms: 9, cpuMs: 300 };

  it('measure what ended in the measured time, and claim all that ended', async () => {
    const { values, downloads, finished, jobs } = await run(newConnections, { answer });
    expect(values).toMatchObject({ 'fresh.rate': 600, 'fresh.p50': 1, 'fresh.p99': 9, 'fresh.driverShare': 0.2 });
    expect(values['fresh.cpu']).toBeGreaterThanOrEqual(0);
    expect([downloads, finished]).toEqual([1_250, [1_250]]);
    expect(jobs.map((job) => 'bodies' in job && job.bodies.first)).toEqual([0, 50]);
  });

  it('of 100 KiB are bodies of 100 KiB, on kept tunnels', async () => {
    const { jobs } = await run(keptMediumRequests, { answer });
    const load = { kind: 'kept', clients: 32, bodies: { folder: '100k', bytes: 102_400 } };
    expect(jobs).toMatchObject([load, load]);
  });

  it('claim no processor time and no memory of the direct way', async () => {
    for (const work of [keptMediumRequests, largeBody]) {
      const { values } = await run(work, { isProcess: false, answer });
      expect(Object.keys(values).filter((id) => /cpu|peakRss/.test(id))).toEqual([]);
    }
  });
});

describe('added latency', () => {
  const answer = () => ({ completedEver: 1_200, p50Ms: 0.75, p99Ms: 3, directP50Ms: 0.25, directP99Ms: 1 });

  it('is the difference of percentiles', async () => {
    const { values, downloads, jobs } = await run(addedLatency, { answer });
    expect(values).toMatchObject({
      'latency.addedP50': 0.5,
      'latency.addedP99': 2,
      'latency.p50': 0.75,
      'latency.directP50': 0.25,
    });
    expect(downloads).toBe(1_200);
    const direct = { host: 'localhost', port: 443, ca: ['root'] };
    expect(jobs).toMatchObject([{ kind: 'latency', route, direct, warmUp: 200, bodies: { first: 0, end: 1_200 } }]);
  });

  it('does not exist for the direct way', async () => {
    const { values } = await run(addedLatency, { isProcess: false, answer });
    expect(values).toEqual({ 'latency.p50': 0.75, 'latency.p99': 3 });
  });
});

describe('new hosts', () => {
  it('are asked by one client, each once, with every certificate checked', async () => {
    const { values, jobs } = await run(newHosts, { answer: () => ({ completed: 150, completedEver: 150, p50Ms: 4 }) });
    expect(values).toMatchObject({ 'newhost.p50': 4, 'newhost.count': 150 });
    const bodies = { hostSuffix: '.hosts.example', first: 0, end: quickPlan.newHosts };
    expect(jobs).toMatchObject([{ kind: 'fresh', clients: 1, warmUpMs: 0, verifyEvery: 1, bodies }]);
  });
});

describe('memory of long works', () => {
  const answer = (job: Job) => ({ completedEver: 'bodies' in job ? job.bodies.end - job.bodies.first : 0 });

  it('is watched over builds of so many requests, each removed', async () => {
    const { requests, sessionRequests } = quickPlan.long;
    const { values, downloads, jobs, finished, removed, memory } = await run(memoryOfRequests, { answer });
    expect(downloads).toBe(requests);
    expect(values['memory-requests.count']).toBe(requests);
    expect(finished).toEqual(Array(requests / sessionRequests).fill(sessionRequests));
    expect(removed).toHaveLength(finished.length);
    const starts = jobs.map((job) => 'bodies' in job && job.bodies.first);
    expect(new Set(starts).size).toBe(jobs.length);
    expect(memory?.length).toBeGreaterThan(0);
    expect(values['memory-requests.peak']).toBeGreaterThanOrEqual(values['memory-requests.level'] as number);
  });

  it('is watched over so many hosts', async () => {
    const { values, jobs } = await run(memoryOfHosts, { answer });
    expect(values['memory-hosts.count']).toBe(quickPlan.long.hosts);
    expect(jobs).toMatchObject([{ kind: 'fresh', bodies: { hostSuffix: '.hosts.example' } }]);
  });
});

describe('works', () => {
  it('give numbers under their own name, each once', () => {
    const all = works.flatMap(({ id, metrics }) => metrics.map((metric) => [id, metric.id] as const));
    expect(new Set(all.map(([, metric]) => metric)).size).toBe(all.length);
    for (const [work, metric] of all) expect(metric.startsWith(`${work}.`), metric).toBe(true);
  });
});
