import { type ExchangeRecord, silentLogger, WaybillError } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { createRecorder, isSessionOver } from './recorder.js';

const recordOf = (sessionId: string, name: string): ExchangeRecord =>
  ({ kind: 'refusal', sessionId, reason: name }) as never;

function fakes() {
  const written: string[][] = [];
  const order: string[] = [];
  const state = {
    flush: async () => {},
    record: async (_records: readonly ExchangeRecord[]) => {},
  };
  const blobs = {
    async flush() {
      order.push('flush');
      await state.flush();
    },
  };
  const store = {
    async record(records: readonly ExchangeRecord[]) {
      order.push('record');
      await state.record(records);
      written.push(records.map((record) => (record as { reason: string }).reason));
    },
  };
  const recorder = (options: { maxBatch?: number; maxWaiting?: number } = {}) =>
    createRecorder({
      blobs,
      store,
      maxBatch: options.maxBatch ?? 100,
      maxWaiting: options.maxWaiting ?? 1000,
      logger: silentLogger,
    });
  return { written, order, state, recorder };
}

describe('createRecorder', () => {
  it('of a session that is over it records what became of its transfers, and fails the answers', async () => {
    const { recorder, written, state } = fakes();
    const over = new WaybillError('STORE_SESSION_OVER', 'it is over');
    state.record = async (records) => {
      if (records.some((record) => (record as { reason: string }).reason.startsWith('answer'))) throw over;
    };
    const one = recorder();
    const results = await Promise.allSettled(
      ['failure 1', 'answer 1', 'failure 2', 'answer 2'].map((name) => one.record([recordOf('s', name)])),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
    expect(results.flatMap((result) => (result.status === 'rejected' ? [isSessionOver(result.reason)] : []))).toEqual([
      true,
      true,
    ]);
    expect(written.flat()).toEqual(['failure 1', 'failure 2']);
  });

  it('flushes bodies before it writes records, and resolves after both', async () => {
    const { recorder, order } = fakes();
    await recorder().record([recordOf('s', 'a')]);
    expect(order).toEqual(['flush', 'record']);
  });

  it('writes what comes together in one transaction, in order, and never tears one exchange apart', async () => {
    const { recorder, written } = fakes();
    const one = recorder({ maxBatch: 3 });
    await Promise.all([
      one.record([recordOf('s', 'a'), recordOf('s', 'b')]),
      one.record([recordOf('t', 'c'), recordOf('t', 'd')]),
      one.record([recordOf('s', 'e')]),
      one.record(['f', 'g', 'h', 'i'].map((name) => recordOf('s', name))),
    ]);
    expect(written).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e'],
      ['f', 'g', 'h', 'i'],
    ]);
  });

  it('fills the next transaction while one is being written', async () => {
    const { recorder, written, state } = fakes();
    let go = () => {};
    const first = new Promise<void>((resolve) => {
      go = resolve;
    });
    state.record = async () => {
      state.record = async () => {};
      await first;
    };
    const one = recorder();
    const waiting = [one.record([recordOf('s', 'a')])];
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const name of ['b', 'c', 'd']) waiting.push(one.record([recordOf('s', name)]));
    expect(one.waiting).toBe(4);
    go();
    await Promise.all(waiting);
    expect(written).toEqual([['a'], ['b', 'c', 'd']]);
    expect(one.waiting).toBe(0);
  });

  it('fails everybody of a batch when bodies cannot be made durable, and writes no record', async () => {
    const { recorder, written, state } = fakes();
    state.flush = () => Promise.reject(new WaybillError('BLOB_STORAGE_FULL', 'no space', { hint: 'make room' }));
    const one = recorder();
    const results = await Promise.allSettled([one.record([recordOf('s', 'a')]), one.record([recordOf('t', 'b')])]);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'PROXY_RECORD_FAILED', hint: 'make room' } });
    }
    expect(written).toEqual([]);
    state.flush = async () => {};
    await one.record([recordOf('s', 'c')]);
    expect(written).toEqual([['c']]);
  });

  it('one session whose records are refused does not take others with it', async () => {
    const { recorder, written, state } = fakes();
    state.record = async (records) => {
      if (records.some(({ sessionId }) => sessionId === 'gone'))
        throw new WaybillError('STORE_SESSION_UNKNOWN', 'gone');
    };
    const one = recorder();
    const results = await Promise.allSettled([
      one.record([recordOf('s', 'a')]),
      one.record([recordOf('gone', 'b')]),
      one.record([recordOf('s', 'c')]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(written).toEqual([['a', 'c']]);
  });

  it('a store that is down is not asked session by session', async () => {
    const { recorder, order, state } = fakes();
    state.record = () => Promise.reject(new WaybillError('STORE_UNAVAILABLE', 'down'));
    const one = recorder();
    await Promise.allSettled(['a', 'b', 'c'].map((id) => one.record([recordOf(id, id)])));
    expect(order).toEqual(['flush', 'record']);
  });

  it('says so when too many wait', async () => {
    const { recorder, state } = fakes();
    let go = () => {};
    state.flush = () =>
      new Promise((resolve) => {
        go = resolve;
      });
    const one = recorder({ maxWaiting: 2 });
    const waiting = one.record([recordOf('s', 'a'), recordOf('s', 'b')]);
    await expect(one.record([recordOf('s', 'c')])).rejects.toMatchObject({ code: 'PROXY_RECORD_QUEUE_FULL' });
    await new Promise((resolve) => setTimeout(resolve, 10));
    go();
    await waiting;
    const again = one.record([recordOf('s', 'd')]);
    await new Promise((resolve) => setTimeout(resolve, 10));
    go();
    await again;
  });

  it('is drained when nothing waits any more', async () => {
    const { recorder, written } = fakes();
    const one = recorder();
    void one.record([recordOf('s', 'a')]);
    await one.drained();
    expect(written).toEqual([['a']]);
    await one.drained();
  });
});
