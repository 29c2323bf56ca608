import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Options, parseOptions } from '../src/options.ts';
import { quickPlan } from '../src/plan.ts';
import { runProgram } from '../src/processes/run-program.ts';
import type { BenchResult } from '../src/results/bench-result.ts';
import { drawPicture } from '../src/results/picture/picture.ts';
import { textReport } from '../src/results/text-report.ts';
import { runBench } from '../src/run-bench.ts';
import { works } from '../src/works/list.ts';

const isCi = process.env.WAYBILL_CI === '1';
const runs = (program: string, args: string[]) =>
  runProgram(program, args).then(
    () => true,
    () => false,
  );
const canRun = (await runs('go', ['version'])) && (await runs('nginx', ['-v'])) && (await runs('openssl', ['version']));
const mib = 1024 * 1024;

// Whether everything works, not how fast it is: engines that need no further package, and as little of each work as there is.
describe.skipIf(!canRun && !isCi)('the benchmark in miniature', () => {
  const plan: Options['plan'] = {
    ...quickPlan,
    rounds: 1,
    clients: 4,
    largeBytes: 16 * mib,
    partBytes: 4 * mib,
    warmUpMs: 100,
    measureMs: 300,
    keptBodies: 2_000,
    mediumBodies: 300,
    freshBodies: 500,
    latencySamples: 20,
    newHosts: 5,
    newHostsMs: 2_000,
    long: { hosts: 20, requests: 200, sessionRequests: 100, hostsMs: 20_000, requestsMs: 20_000, settleMs: 100 },
  };
  const engineIds = ['direct', 'waybill-strict', 'bare'];
  let dir: string;
  let result: BenchResult;
  const said: string[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bench-miniature-'));
    const options = { ...parseOptions(['--only', engineIds.join(), '--no-save', '--work-dir', dir]), plan };
    result = await runBench(options, (line) => said.push(line));
  }, 120_000);
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const skipped = () => result.skipped.map(({ id }) => id);
  const measuredIn = (engine: string) => Object.keys(result.summary[engine] ?? {});

  it('finds nothing wrong with any answer or record', () => {
    expect(
      result.turns.flatMap(({ engine, failures }) => (Object.keys(failures).length > 0 ? [{ engine, failures }] : [])),
    ).toEqual([]);
  });

  it.each(engineIds.filter((id) => id !== 'direct'))('gives every number of every work for %s', (engine) => {
    const wanted = works
      .filter(({ id }) => !skipped().includes(id))
      .flatMap(({ metrics }) => metrics.map(({ id }) => id));
    expect(measuredIn(engine).sort()).toEqual(wanted.sort());
    for (const [metric, { median }] of Object.entries(result.summary[engine] ?? {})) {
      expect(Number.isFinite(median), metric).toBe(true);
      // A difference of two percentiles may be below nothing, and a short work may take less than a tick of the clock.
      if (!/latency[.]added|[.]cpu$|Share$/.test(metric)) expect(median, metric).toBeGreaterThan(0);
    }
  });

  it('does so much as a long work wants', () => {
    expect(result.summary['waybill-strict']?.['memory-requests.count']?.median).toBe(200);
    if (!skipped().includes('memory-hosts')) {
      expect(result.summary['waybill-strict']?.['memory-hosts.count']?.median).toBe(20);
    }
  });

  it('leaves works out only where the machine gives it no host names, and says so', () => {
    expect([[], ['newhost', 'memory-hosts']]).toContainEqual(skipped());
    expect(said.filter((line) => line.startsWith('SKIPPED'))).toHaveLength(skipped().length);
    for (const { why } of result.skipped) expect(why).toContain('host names of its own take root');
  });

  it('can be shown', () => {
    expect(textReport(result)).toContain('waybill-strict ÷ bare');
    expect(drawPicture(result)).toContain('curve e-waybill-strict');
  });

  it('leaves nothing behind', async () => {
    expect(await readdir(dir)).toEqual([]);
  });
});
