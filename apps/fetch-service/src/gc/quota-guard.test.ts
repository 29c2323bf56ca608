import type { BlobStore } from '@waybill/contracts';
import { describe, expect, it, vi } from 'vitest';
import { memoryBlobs } from '../../test/memory-blobs.js';
import { guardQuota } from './quota-guard.js';

const full = expect.objectContaining({ code: 'FETCH_QUOTA_FULL', hint: expect.stringContaining('--spool-quota') });

async function put(blobs: BlobStore, size: number, fill = Math.random()): Promise<void> {
  const writer = blobs.create();
  try {
    await writer.write(Buffer.alloc(size, String(fill)));
    await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

describe('a quota', () => {
  it('lets bodies in up to it and refuses what passes it, with what to do', async () => {
    const makeRoom = vi.fn(async () => {});
    const blobs = guardQuota(memoryBlobs(), { quotaBytes: 100, makeRoom });
    await put(blobs, 60);
    await put(blobs, 40);
    expect(makeRoom).not.toHaveBeenCalled();
    await expect(put(blobs, 1)).rejects.toThrowError(full);
    expect(makeRoom).toHaveBeenCalledExactlyOnceWith(1);
  });

  it('counts what is on its way: many at once do not pass it together', async () => {
    const blobs = guardQuota(memoryBlobs(), { quotaBytes: 100, makeRoom: async () => {} });
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => put(blobs, 30)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  });

  it('waits for room that can be made', async () => {
    const inner = memoryBlobs();
    const makeRoom = vi.fn(async (_bytes: number) => inner.content.clear());
    const blobs = guardQuota(inner, { quotaBytes: 100, makeRoom });
    await put(blobs, 90);
    await put(blobs, 50);
    expect(makeRoom).toHaveBeenCalledExactlyOnceWith(50);
    expect([...inner.content.values()].map(({ length }) => length)).toEqual([50]);
  });

  it('gives back what was broken off or refused', async () => {
    const blobs = guardQuota(memoryBlobs(), { quotaBytes: 100, makeRoom: async () => {} });
    const writer = blobs.create();
    await writer.write(Buffer.alloc(90));
    await expect(put(blobs, 20)).rejects.toThrowError(full);
    await writer.abort();
    await writer.abort();
    await put(blobs, 100);
    await expect(put(blobs, 1)).rejects.toThrowError(full);
  });

  it('knows what was there before, and finds room again when something went', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const inner = memoryBlobs();
    await put(inner, 80, 1);
    const blobs = guardQuota(inner, { quotaBytes: 100, makeRoom: async () => {} });
    await expect(put(blobs, 30)).rejects.toThrowError(full);
    for await (const name of inner.list()) await inner.delete(name);
    vi.advanceTimersByTime(5_000);
    await put(blobs, 100);
    vi.useRealTimers();
  });

  it('does not count equal bytes twice for ever', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const blobs = guardQuota(memoryBlobs(), { quotaBytes: 100, makeRoom: async () => {} });
    await put(blobs, 40, 7);
    await put(blobs, 40, 7);
    await put(blobs, 40, 8);
    vi.useRealTimers();
  });
});
