import { hash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blockBytes, HashPool } from './hash-pool.js';

describe('HashPool', () => {
  let pool: HashPool;

  beforeEach(() => {
    pool = new HashPool(2);
  });

  afterEach(() => pool.close());

  /** A block filled with a byte, and those bytes. */
  function filled(byte: number): { readonly block: ArrayBuffer; readonly bytes: Buffer } {
    const block = pool.take();
    Buffer.from(block).fill(byte);
    return { block, bytes: Buffer.alloc(blockBytes, byte) };
  }

  it('hashes several bodies at once, block by block, with the algorithms asked for', async () => {
    const digests = await Promise.all(
      [1, 2, 3, 4, 5].map(async (byte) => {
        const job = pool.start(['sha512', 'md5']);
        for (let count = 0; count < 3; count++) await job.update(filled(byte).block, 1_000 * byte);
        return await job.digest();
      }),
    );
    for (const [at, found] of digests.entries()) {
      const body = Buffer.alloc(3_000 * (at + 1), at + 1);
      expect(found).toEqual([hash('sha512', body), hash('md5', body)]);
    }
  });

  it('uses blocks again', async () => {
    const job = pool.start(['sha256']);
    for (let count = 0; count < 100; count++) await job.update(pool.take(), blockBytes);
    const kept = new Set(Array.from({ length: 3 }, () => pool.take()));
    expect(kept.size).toBe(3);
    expect(await job.digest()).toEqual([hash('sha256', Buffer.alloc(blockBytes * 100))]);
  });

  it('hashes nothing for a body that was dropped', async () => {
    const job = pool.start(['sha256']);
    const pending = job.update(filled(1).block, 10);
    job.drop();
    job.drop();
    await pending;
  });

  it('fails the bodies of a thread that broke, and starts another', async () => {
    const job = pool.start(['sha256']);
    // The thread cannot read more bytes than the block has.
    await expect(job.update(new ArrayBuffer(4), 100)).rejects.toMatchObject({ code: 'BLOB_STORAGE_FAILED' });
    await expect(job.digest()).rejects.toMatchObject({ code: 'BLOB_STORAGE_FAILED' });
    const next = pool.start(['sha256']);
    await next.update(filled(7).block, 5);
    expect(await next.digest()).toEqual([hash('sha256', Buffer.alloc(5, 7))]);
  });

  it('fails what is underway when it closes', async () => {
    const job = pool.start(['sha256']);
    await job.update(filled(1).block, blockBytes);
    const ended = expect(job.digest()).rejects.toMatchObject({ code: 'BLOB_CLOSED' });
    await pool.close();
    await ended;
    expect(() => pool.start(['sha256'])).toThrow(expect.objectContaining({ code: 'BLOB_CLOSED' }));
  });
});
