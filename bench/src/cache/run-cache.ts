import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type Driver, startDriver } from '../load/driver.ts';
import type { CacheJob } from '../load/job.ts';
import { readMemory } from '../measure/process-tree.ts';
import { describeMachine } from '../results/machine.ts';
import { rotated } from '../rounds.ts';
import type { CachePlan, CacheSize } from './cache-plan.ts';
import type { CacheResult, CacheTurn } from './cache-result.ts';
import { type CacheServer, missingBecause, type RunningCache } from './cache-server.ts';

export interface CacheBenchOptions {
  readonly plan: CachePlan;
  readonly servers: readonly CacheServer[];
  readonly workDir: string;
  /** Where peers are installed, once. */
  readonly tools: string;
  readonly say: (line: string) => void;
}

/** Every server in every round, each time on an empty directory, in another order. */
export async function runCacheBench(options: CacheBenchOptions): Promise<CacheResult> {
  const { plan, servers, workDir, tools, say } = options;
  const dir = await mkdtemp(join(workDir, 'waybill-bench-cache-'));
  const remove = () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  process.once('exit', remove);
  const driver = await startDriver(dir, availableParallelism() >= 4 ? 2 : 1);
  try {
    const machine = await describeMachine(dir);
    await mkdir(tools, { recursive: true });
    const found: CacheResult['servers'][number][] = [];
    for (const server of servers) {
      const { id, does } = server;
      const entry = { id, does, ...(await server.find(tools).catch(missingBecause)) };
      if ('missing' in entry) say(`SKIPPED ${id}: ${entry.missing}`);
      found.push(entry);
    }
    const present = servers.filter(({ id }) => found.some((entry) => entry.id === id && !('missing' in entry)));
    const turns: CacheTurn[] = [];
    for (let round = 1; round <= plan.rounds; round++) {
      for (const server of rotated(present, round - 1)) {
        turns.push(await runTurn(server, round, { dir, tools, plan, driver }));
        say(`round ${round}: ${server.id}`);
      }
    }
    return { format: 1, date: new Date().toISOString(), machine, plan, servers: found, turns };
  } finally {
    driver.stop();
    remove();
    process.off('exit', remove);
  }
}

interface Place {
  readonly dir: string;
  readonly tools: string;
  readonly plan: CachePlan;
  readonly driver: Driver;
}

async function runTurn(server: CacheServer, round: number, place: Place): Promise<CacheTurn> {
  const own = join(place.dir, `${server.id}-${round}`);
  const values: Record<string, number> = {};
  const failures: Record<string, string> = {};
  const running = await server.start(own, place.tools);
  try {
    for (const size of place.plan.sizes) {
      for (const clients of place.plan.clients) {
        await runSize(running, size, clients, { ...place, values, failures });
      }
    }
    await runMissing(running, { values, failures });
    values['memory MiB'] = (await readMemory(running.pid)).peakOfAll / 1024 ** 2;
  } finally {
    await running.stop();
    await rm(own, { recursive: true, force: true, maxRetries: 5 });
  }
  return { round, server: server.id, values, failures };
}

/** Of one client, one question after the other. */
async function runMissing(
  { askMissing }: RunningCache,
  { values, failures }: Pick<Sheet, 'values' | 'failures'>,
): Promise<void> {
  if (!askMissing) return;
  const metric = `which of ${questionSize} are missing ×1`;
  try {
    await askMissing(questionSize);
    const startedMs = performance.now();
    for (let question = 0; question < questions; question++) await askMissing(questionSize);
    values[metric] = (questions * 1000) / (performance.now() - startedMs);
  } catch (cause) {
    failures[metric] = missingBecause(cause).missing;
  }
}

const questionSize = 10_000;
const questions = 10;

interface Sheet extends Place {
  readonly values: Record<string, number>;
  readonly failures: Record<string, string>;
}

/** Stores, reads back what was stored, and asks for what nobody stored. */
async function runSize(running: RunningCache, size: CacheSize, clients: number, sheet: Sheet): Promise<void> {
  const { plan, driver, values, failures } = sheet;
  // Each number of clients stores bodies of its own.
  const first = clients * 10_000_000;
  let end = first + size.mostBodies;
  for (const op of ['put', 'get', 'miss'] as const) {
    const metric = `${op} ${size.id} ×${clients}`;
    try {
      const { done, result } = await measure(driver, jobOf(running, size, { op, clients, first, end, plan }));
      values[metric] = result;
      // Only what was stored can be read.
      if (op === 'put') end = Math.max(first + 1, Math.min(end, done));
    } catch (cause) {
      failures[metric] = missingBecause(cause).missing;
      if (op === 'put') return;
    }
  }
}

interface Work {
  readonly op: 'put' | 'get' | 'miss';
  readonly clients: number;
  readonly first: number;
  readonly end: number;
  readonly plan: CachePlan;
}

function jobOf(running: RunningCache, size: CacheSize, { op, clients, first, end, plan }: Work): CacheJob {
  const { prefix, suffix, headers, nameDigits } = running;
  const address = { prefix, suffix, headers, nameDigits };
  // Whole bodies of this size take longer than a warm-up.
  const warmUpMs = size.mostBodies < 1_000 ? 0 : plan.warmUpMs;
  // What is asked for in vain has names of its own; how large it would be is nobody's concern.
  const range =
    op === 'miss'
      ? { bytes: 1024, first: first + 5_000_000, end: first + 9_000_000 }
      : { bytes: size.bytes, first, end };
  return { kind: 'cache', clients, warmUpMs, measureMs: plan.measureMs, cache: { op, ...address, ...range } };
}

/** Requests a second, and the first body that was not stored. */
async function measure(driver: Driver, job: CacheJob): Promise<{ readonly result: number; readonly done: number }> {
  const { completed, elapsedMs, next } = await driver.run(job);
  return { result: completed / (elapsedMs / 1000), done: Math.min(next, job.cache.end) };
}
