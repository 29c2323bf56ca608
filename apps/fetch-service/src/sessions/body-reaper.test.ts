import { describe, expect, it } from 'vitest';
import { download, memoryBlobs, memoryStore, movableClock } from '../../test/fakes.js';
import { createBodyReaper } from './body-reaper.js';

const graceMs = 60_000;

function setUp(how: Partial<Parameters<typeof createBodyReaper>[0]> = {}) {
  const store = memoryStore();
  const blobs = memoryBlobs();
  const clock = movableClock();
  return {
    store,
    blobs,
    clock,
    reaper: createBodyReaper({ blobs, store, clock, graceMs, isShared: false, keepsUnneeded: false, ...how }),
  };
}

async function stored(blobs: ReturnType<typeof memoryBlobs>, text: string): Promise<string> {
  const writer = blobs.create();
  await writer.write(Buffer.from(text));
  return (await writer.commit()).digests.sha256;
}

describe('discarding bodies', () => {
  it('keeps what another session refers to', async () => {
    const { reaper, store, blobs } = setUp();
    const shared = await stored(blobs, 'shared');
    const own = await stored(blobs, 'own');
    await store.record([download('other', shared)]);
    await reaper.discard([shared, own]);
    expect([...blobs.bodies.keys()]).toEqual([shared]);
  });

  it('keeps what is stored and about to be recorded', async () => {
    const { reaper, blobs, store } = setUp();
    const underway = await stored(reaper.blobs as typeof blobs, 'underway');
    await reaper.discard([underway]);
    expect(blobs.bodies.has(underway)).toBe(true);
    await reaper.record([download('s', underway)]);
    await store.deleteSession('s');
    await reaper.discard([underway]);
    expect(blobs.bodies.has(underway)).toBe(false);
  });

  it('waits for every download of equal bytes', async () => {
    const { reaper, blobs, store } = setUp();
    const twice = await stored(reaper.blobs as typeof blobs, 'twice');
    await stored(reaper.blobs as typeof blobs, 'twice');
    await reaper.record([download('s', twice)]);
    await store.deleteSession('s');
    await reaper.discard([twice]);
    expect(blobs.bodies.has(twice)).toBe(true);
  });

  it('keeps what another session is about to reuse', async () => {
    const { reaper, blobs, store } = setUp();
    const reused = await stored(blobs, 'reused');
    expect(await reaper.blobs.resolve({ algorithm: 'sha256', hex: reused })).toBe(reused);
    await reaper.discard([reused]);
    expect(blobs.bodies.has(reused)).toBe(true);
    await reaper.record([download('s', reused)]);
    await store.deleteSession('s');
    await reaper.discard([reused]);
    expect(blobs.bodies.has(reused)).toBe(false);
  });

  it('does not wait for ever for a download that failed', async () => {
    const { reaper, blobs, clock } = setUp();
    const failed = await stored(reaper.blobs as typeof blobs, 'failed');
    clock.advance(graceMs + 1);
    await reaper.discard([failed]);
    expect(blobs.bodies.has(failed)).toBe(false);
  });

  it('never overlaps with storing the same bytes', async () => {
    const { reaper, blobs } = setUp();
    const body = await stored(blobs, 'again');
    let isRemoving = false;
    const remove = blobs.delete;
    blobs.delete = async (sha256, options) => {
      isRemoving = true;
      await new Promise((resolve) => setTimeout(resolve, 5));
      const removed = await remove(sha256, options);
      isRemoving = false;
      return removed;
    };
    const removing = reaper.discard([body]);
    const writer = reaper.blobs.create();
    await writer.write(Buffer.from('again'));
    const info = await writer.commit();
    expect(isRemoving).toBe(false);
    await removing;
    expect(blobs.bodies.has(info.digests.sha256)).toBe(true);
  });

  it('keeps a body whose record becomes durable while the store is asked', async () => {
    const { reaper, store, blobs } = setUp();
    const body = await stored(reaper.blobs as typeof blobs, 'just in time');
    const { referenced } = store;
    store.referenced = async (names) => {
      const answer = await referenced(names);
      await reaper.record([download('s', body)]);
      return answer;
    };
    await reaper.discard([body]);
    expect(blobs.bodies.has(body)).toBe(true);
  });

  it('leaves alone what another process used lately, and what is kept for reuse', async () => {
    const removed: unknown[] = [];
    for (const how of [{ isShared: true }, { isShared: false }, { keepsUnneeded: true }]) {
      const { reaper, blobs } = setUp(how);
      const body = await stored(blobs, 'x');
      const remove = blobs.delete;
      blobs.delete = (sha256, options) => {
        removed.push(options);
        return remove(sha256, options);
      };
      await reaper.discard([body]);
    }
    expect(removed).toEqual([{ unusedSince: expect.any(Date) }, {}]);
  });

  it('goes on after a failure', async () => {
    const { reaper, store, blobs } = setUp();
    const body = await stored(blobs, 'x');
    const { referenced } = store;
    store.referenced = async () => {
      throw new Error('store gone');
    };
    await expect(reaper.discard([body])).rejects.toThrow('store gone');
    store.referenced = referenced;
    await reaper.discard([body]);
    expect(blobs.bodies.size).toBe(0);
  });

  it('sweeps what a crash left behind', async () => {
    const { reaper, store, blobs } = setUp();
    const kept = await stored(blobs, 'kept');
    for (let n = 0; n < 200; n++) await stored(blobs, `orphan ${n}`);
    await store.record([download('s', kept)]);
    expect(await reaper.sweep()).toBe(200);
    expect([...blobs.bodies.keys()]).toEqual([kept]);
  });
});
