import type { SessionRecord } from '@waybill/contracts';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryBlobs } from '../../test/memory-blobs.js';
import { createGc, type GcSummary } from './gc.js';
import { createGcMetrics } from './gc-metrics.js';
import { collectRemotely, describeGc, gcOperation } from './gc-operation.js';
import { noGc } from './gc-settings.js';

const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
});
afterEach(() => void vi.useRealTimers());

function start({ ids = ['a'], deleteResources = async (_id: string) => {} } = {}) {
  const sessions = ids.map((id) => ({ id }) as SessionRecord);
  const listSessions = vi.fn(async () => sessions.splice(0));
  const registry = new Registry();
  const gc = createGc(
    {
      blobs: memoryBlobs(),
      store: { listSessions, referenced: async () => new Set<string>() },
      reaper: { remove: async () => new Set<string>(), settledBefore: () => new Date() },
      deleteResources,
      clock: { now: () => new Date() },
    },
    { settings: { ...noGc, keepSessionsMs: 0 }, metrics: createGcMetrics(registry), logger: log },
  );
  return { gc, registry, listSessions };
}

describe('in the background', () => {
  it('runs now and then, tells what it did and counts it', async () => {
    const { gc, registry, listSessions } = start({ ids: ['a', 'b'] });
    gc.schedule();
    await vi.advanceTimersByTimeAsync(2 * 60_000);
    expect(log.info).toHaveBeenCalledWith({ sessions: 2, bodies: 0, bytes: 0 }, 'garbage collected');
    await vi.advanceTimersByTimeAsync(60 * 60_000);
    expect(listSessions.mock.calls.length).toBeGreaterThan(3);
    expect(log.info).toHaveBeenCalledOnce();
    expect(await registry.metrics()).toContain('waybill_gc_removed_total{what="sessions"} 2');
    await gc.stop();
    const runs = listSessions.mock.calls.length;
    await vi.advanceTimersByTimeAsync(60 * 60_000);
    expect(listSessions.mock.calls.length).toBe(runs);
  });

  it('goes on after a failure', async () => {
    const { gc, registry, listSessions } = start();
    listSessions.mockRejectedValueOnce(new Error('no database'));
    gc.schedule();
    await vi.advanceTimersByTimeAsync(60 * 60_000);
    expect(log.warn).toHaveBeenCalledOnce();
    expect(await registry.metrics()).toContain('waybill_gc_passes_total{result="failed"} 1');
    expect(await registry.metrics()).toContain('waybill_gc_removed_total{what="sessions"} 1');
    await gc.stop();
  });

  it('does not begin where another process does it', async () => {
    const { gc, listSessions } = start();
    await vi.advanceTimersByTimeAsync(60 * 60_000);
    expect(listSessions).not.toHaveBeenCalled();
    await gc.stop();
  });
});

describe('for somebody who waits for room', () => {
  it('runs at once, once for all who wait, and not again when there was nothing to remove', async () => {
    const { gc, listSessions } = start();
    await Promise.all([gc.makeRoom(10), gc.makeRoom(20), gc.makeRoom(30)]);
    expect(listSessions).toHaveBeenCalledTimes(1);
    await gc.makeRoom(10);
    expect(listSessions).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(10_000);
    await gc.makeRoom(10);
    expect(listSessions).toHaveBeenCalledTimes(2);
  });

  it('does not fail them when it fails', async () => {
    const { gc, listSessions, registry } = start();
    listSessions.mockRejectedValueOnce(new Error('no database'));
    await gc.makeRoom(10);
    expect(await registry.metrics()).toContain('waybill_gc_passes_total{result="failed"} 1');
  });
});

describe('by hand', () => {
  it('runs do not overlap', async () => {
    let running = 0;
    let most = 0;
    const deleteResources = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 100));
      running -= 1;
    };
    const { gc } = start({ ids: ['a', 'b', 'c'], deleteResources });
    const both = Promise.all([gc.run({ isDryRun: false }), gc.run({ isDryRun: false })]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await both).map(({ sessions }) => sessions)).toEqual([3, 0]);
    expect(most).toBe(1);
  });

  it('ends in time, between two steps, and says that there is more', async () => {
    vi.useRealTimers();
    const deleteResources = () => new Promise<void>((resolve) => setTimeout(resolve, 30));
    const { gc } = start({ ids: Array.from({ length: 100 }, (_, i) => `s${i}`), deleteResources });
    const { sessions, left } = await gc.run({ isDryRun: false, withinMs: 100 });
    expect(sessions).toBeGreaterThan(0);
    expect(sessions).toBeLessThan(100);
    expect(left).toBeUndefined();
  });

  const some: GcSummary = { sessions: 1, failed: 0, bodies: 2, bytes: 1024, left: undefined };

  it('fetchctl asks on until all is done, and adds up', async () => {
    const left = { bytes: 5000, isFull: true };
    const answers = [some, some, { ...some, sessions: 0, failed: 1, left }].map((one) => JSON.stringify(one));
    const all = await collectRemotely(async () => answers.shift() as string, false);
    expect(all).toEqual({ sessions: 2, failed: 1, bodies: 6, bytes: 3072, left });
    expect(describeGc(all, false).split('\n')).toEqual([
      'sessions: 2 removed, 1 could not be (the log says why)',
      'bodies: 6 removed, 3.0 KiB',
      'left: 4.9 KiB of bodies',
      'the quota is full with bodies that are needed: delete sessions, keep them shorter, or raise it',
    ]);
  });

  it('fetchctl does not ask for ever', async () => {
    const nothing = { ...some, sessions: 0, bodies: 0 };
    const all = await collectRemotely(async () => JSON.stringify(nothing), false);
    expect(describeGc(all, false)).toContain('broken off before the end: run it again');
    expect(describeGc(await collectRemotely(async () => JSON.stringify(some), true), true)).toContain('at least this');
  });

  it('the daemon answers in bounded time', async () => {
    const run = vi.fn(async () => some);
    expect(JSON.parse(await gcOperation({ run }, true))).toEqual(JSON.parse(JSON.stringify(some)));
    expect(run).toHaveBeenCalledWith({ isDryRun: true, withinMs: 20_000 });
  });
});
