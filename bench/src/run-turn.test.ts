import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BenchError } from './bench-error.ts';
import type { Engine, RunningEngine } from './engines/engine.ts';
import { quickPlan } from './plan.ts';
import { runTurn, type TurnOptions } from './run-turn.ts';
import type { Work, WorkContext } from './works/work.ts';

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'bench-turn-'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

function engine(running: Partial<RunningEngine> & { log?: string[] }, needsToKnowBodies = false): Engine {
  const log = running.log ?? [];
  const route = async () => ({ host: 'localhost', port: 1, ca: [] });
  const stop = async () => void log.push('stop');
  return {
    id: 'squid',
    does: '',
    needsToKnowBodies,
    find: async () => ({ version: '1' }),
    start: async () => ({ route, stop, ...running }),
  };
}

function work(id: string, run: (context: WorkContext) => number): Work {
  return { id, metrics: [], run: async (context) => ({ values: { [`${id}.rate`]: run(context) }, downloads: 3 }) };
}

function turn(one: Engine, works: Work[]) {
  // Driver, upstream and CA go from here to engines and works, and these are made up.
  const rest = { plan: quickPlan, keep: false, profileDir: undefined } as unknown as TurnOptions;
  return runTurn(one, 2, { ...rest, dir: join(parent, 'turn'), works });
}

const broken = () => {
  throw new BenchError('BENCH_ANSWER_WRONG', `answered 500, see ${parent}/turn/log\nline 2`);
};

describe('runTurn', () => {
  it('runs each work, lets the engine prove its record, stops it and removes its directory', async () => {
    const log: string[] = [];
    const finish = async (downloads: number) => void log.push(`finish ${downloads}`);
    const found = await turn(engine({ log, finish }), [work('a', () => 1), work('b', () => 2)]);
    expect(found).toEqual({ round: 2, engine: 'squid', values: { 'a.rate': 1, 'b.rate': 2 }, failures: {} });
    expect(log).toEqual(['finish 6', 'stop']);
    expect(await readdir(parent)).toEqual([]);
  });

  it('keeps what other works measured when one fails, and says why without naming the place', async () => {
    const found = await turn(engine({}), [work('a', broken), work('b', () => 2)]);
    expect(found.values).toEqual({ 'b.rate': 2 });
    expect(found.failures).toEqual({ a: 'answered 500, see <dir>/log | line 2' });
  });

  it('counts nothing of an engine whose record lacks what clients have', async () => {
    const log: string[] = [];
    const finish = () => Promise.reject(new BenchError('BENCH_RECORD_INCOMPLETE', 'one is missing'));
    const found = await turn(engine({ log, finish }), [work('a', () => 1)]);
    expect(found.values).toEqual({});
    expect(found.failures).toEqual({ '*': 'one is missing' });
    expect(log).toEqual(['stop']);
  });

  it('counts nothing of an engine that does not start', async () => {
    const never = { ...engine({}), start: () => Promise.reject(new Error('no port')) };
    expect(await turn(never, [work('a', () => 1)])).toMatchObject({ values: {}, failures: { '*': 'no port' } });
  });

  it.each([
    ['as many as it was told of', true, 10],
    ['without end', false, 40_000_000],
  ])('never hands out a small body twice, %s', async (_name, knows, count) => {
    const ranges: number[] = [];
    const take = ({ takeBodies }: WorkContext) => {
      const { first, end } = takeBodies(10);
      return ranges.push(first, end);
    };
    await turn(engine({}, knows), [work('a', take), work('b', take)]);
    expect(ranges).toEqual([0, count, count, 2 * count]);
  });
});
