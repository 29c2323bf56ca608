import type { ExchangeRecord } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { SessionStoreError, type SessionStoreErrorCode } from './errors.js';
import { RecordQueue } from './record-queue.js';

/** Stands for a record; the queue does not look inside. */
const record = (name: string) => ({ url: name }) as ExchangeRecord;

/** A sink that notes transactions and fails for records called `bad`. */
function sink(writers: number, code: SessionStoreErrorCode = 'STORE_SESSION_UNKNOWN') {
  const transactions: string[][] = [];
  let running = 0;
  let most = 0;
  return {
    transactions,
    most: () => most,
    writers,
    insert: async (records: readonly ExchangeRecord[]) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      const names = records.map((one) => one.url);
      if (names.includes('bad')) throw new Error(code);
      transactions.push(names);
    },
    translate: (error: unknown) => new SessionStoreError((error as Error).message as SessionStoreErrorCode, 'failed'),
  };
}

describe('RecordQueue', () => {
  it('shares transactions, keeping the order of calls', async () => {
    const to = sink(1);
    const queue = new RecordQueue(to);
    const first = [queue.add([record('a')]), queue.add([record('b'), record('c')])];
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([...first, queue.add([record('d')]), queue.add([record('e')])]);
    expect(to.transactions).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e'],
    ]);
    await queue.add([record('f')]);
    expect(to.transactions.at(-1)).toEqual(['f']);
  });

  it('runs as many transactions at once as it may, and shares no more than fits', async () => {
    const to = sink(3);
    const queue = new RecordQueue(to);
    const calls = Array.from({ length: 50 }, (_, at) => queue.add(Array.from({ length: 300 }, () => record(`${at}`))));
    await Promise.all([...calls, queue.add(Array.from({ length: 5_000 }, () => record('large')))]);
    expect(to.most()).toBe(3);
    expect(to.transactions.flat().length).toBe(20_000);
    expect(Math.max(...to.transactions.filter((names) => names[0] !== 'large').map((names) => names.length))).toBe(900);
  });

  it('fails only the call whose records cannot be written', async () => {
    const to = sink(1);
    const queue = new RecordQueue(to);
    const results = await Promise.allSettled(['a', 'bad', 'b', 'bad', 'c'].map((name) => queue.add([record(name)])));
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(results[1]).toMatchObject({ reason: { code: 'STORE_SESSION_UNKNOWN' } });
    expect(to.transactions).toEqual([['a'], ['b'], ['c']]);
  });

  it('writes nothing twice when it is unknown whether it was written', async () => {
    const to = sink(1, 'STORE_UNAVAILABLE');
    const queue = new RecordQueue(to);
    const results = await Promise.allSettled(['a', 'bad', 'b'].map((name) => queue.add([record(name)])));
    for (const result of results) expect(result).toMatchObject({ reason: { code: 'STORE_UNAVAILABLE' } });
    expect(to.transactions).toEqual([]);
    await queue.add([record('later')]);
    expect(to.transactions).toEqual([['later']]);
  });
});
