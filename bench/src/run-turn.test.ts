import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BenchError } from './bench-error.ts';
import type { Engine, Passage } from './engines/engine.ts';
import { quickPlan } from './plan.ts';
import { runTurn, type TurnOptions } from './run-turn.ts';
import { manyBodies, medium, small } from './upstream/made-body.ts';
import { through, type Work, type WorkContext } from './works/work.ts';

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'bench-turn-'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

interface Behaviour {
  readonly log?: string[];
  readonly finish?: NonNullable<Passage['finish']>;
  readonly needsToKnowBodies?: boolean;
}

function engine({ log = [], finish, needsToKnowBodies = false }: Behaviour): Engine {
  const route = { host: 'localhost', port: 1, ca: [] };
  const stop = async () => void log.push('stop');
  return {
    id: 'squid',
    does: '',
    needsToKnowBodies,
    longWorks: false,
    find: async () => ({ version: '1' }),
    start: async () => ({ open: async () => ({ route, ...(finish && { finish }) }), stop }),
  };
}

/** A work with three downloads. */
function work(id: string, run: (context: WorkContext) => number): Work {
  return {
    id,
    metrics: [],
    run: (context) =>
      through(context.engine, undefined, async () => ({ values: { [`${id}.rate`]: run(context) }, downloads: 3 })),
  };
}

/** @param sent bodies that the upstream sends for each work */
function turn(one: Engine, works: Work[], sent = 3) {
  let asked = 0;
  const requests = async () => Math.floor(asked++ / 2) * 100 + (asked % 2 === 0 ? sent : 0);
  // Driver and CA go from here to engines and works, and these are made up.
  const rest = { plan: quickPlan, keep: false, upstream: { requests } } as unknown as TurnOptions;
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
    expect(found).toEqual({
      round: 2,
      engine: 'squid',
      values: { 'a.rate': 1, 'b.rate': 2 },
      memory: {},
      failures: {},
    });
    expect(log).toEqual(['finish 3', 'finish 3', 'stop']);
    expect(await readdir(parent)).toEqual([]);
  });

  it('keeps memory over time by work', async () => {
    const memory = [{ atMs: 1, mib: 2 }];
    const long: Work = { id: 'm', metrics: [], run: async () => ({ values: {}, downloads: 0, memory }) };
    expect((await turn(engine({}), [long])).memory).toEqual({ m: memory });
  });

  it('keeps what other works measured when one fails, and says why without naming the place', async () => {
    const found = await turn(engine({}), [work('a', broken), work('b', () => 2)]);
    expect(found.values).toEqual({ 'b.rate': 2 });
    expect(found.failures).toEqual({ a: 'answered 500, see <dir>/log | line 2' });
  });

  it('counts nothing of an engine whose record lacks what clients have', async () => {
    const log: string[] = [];
    const finish = () => Promise.reject(new BenchError('BENCH_RECORD_INCOMPLETE', 'one is missing'));
    const found = await turn(engine({ log, finish }), [work('a', () => 1), work('b', () => 2)]);
    expect(found.values).toEqual({});
    expect(found.failures).toEqual({ '*': 'one is missing' });
    expect(log).toEqual(['stop']);
  });

  it('does not count what the upstream did not send', async () => {
    const found = await turn(engine({}), [work('a', () => 1)], 2);
    expect(found.values).toEqual({});
    expect(found.failures.a).toContain('completed 3 bodies, of which the upstream sent 2');
  });

  it('counts nothing of an engine that does not start', async () => {
    const never = { ...engine({}), start: () => Promise.reject(new Error('no port')) };
    expect(await turn(never, [work('a', () => 1)])).toMatchObject({ values: {}, failures: { '*': 'no port' } });
  });

  it.each([
    ['as many as it was told of', true, 10],
    ['without end', false, manyBodies],
  ])('never hands out a made body twice, %s', async (_name, needsToKnowBodies, count) => {
    const taken: unknown[] = [];
    const take = ({ takeBodies }: WorkContext) => taken.push(takeBodies(small, 10), takeBodies(medium, 10));
    await turn(engine({ needsToKnowBodies }), [work('a', take)]);
    expect(taken).toEqual([
      { ...small, first: 0, end: count },
      { ...medium, first: count, end: 2 * count },
    ]);
  });
});
