import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobStore } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestsOf, expectCode, expectStored, names, pattern, put } from '../src/conformance.js';
import { createFileBlobStore } from '../src/index.js';

const mebibyte = 1024 * 1024;

describe('a full disk', () => {
  let mount: string;
  let store: BlobStore;

  beforeEach(async () => {
    mount = mkdtempSync(join(tmpdir(), 'waybill-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${8 * mebibyte}`, 'waybill-test', mount]);
    store = await createFileBlobStore({ dir: join(mount, 'blobs'), segmentBytes: mebibyte });
  });

  afterEach(async () => {
    await store.close();
    execFileSync('umount', [mount]);
    rmdirSync(mount);
  });

  /** Stores bodies until there is no more room; returns those that were taken. */
  async function fill(size: number): Promise<Buffer[]> {
    const taken: Buffer[] = [];
    for (let seed = 0; ; seed++) {
      const body = pattern(size, seed);
      try {
        await put(store, body);
        await store.flush();
        taken.push(body);
      } catch (error) {
        expect(error).toMatchObject({ code: 'BLOB_STORAGE_FULL', hint: expect.stringContaining('free space') });
        return taken;
      }
    }
  }

  it.each([
    ['small', 50_000],
    ['large', mebibyte],
  ])('refuses %s bodies, keeps what it has, and takes more once there is room', async (_, size) => {
    const taken = await fill(size);
    expect(taken.length * size).toBeGreaterThan(5 * mebibyte);
    for (const body of taken) await expectStored(store, body);
    await expectCode(put(store, pattern(size * 2, 999_999)), 'BLOB_STORAGE_FULL');
    execFileSync('mount', ['-o', `remount,size=${16 * mebibyte}`, mount]);
    const later = pattern(size, 888_888);
    await put(store, later);
    await store.flush();
    await store.close();
    store = await createFileBlobStore({ dir: join(mount, 'blobs'), segmentBytes: mebibyte });
    for (const body of [...taken, later]) await expectStored(store, body);
    expect((await names(store)).length).toBe(taken.length + 1);
  });

  it('makes room by deleting large bodies', async () => {
    const taken = await fill(mebibyte);
    const [first, second] = taken as [Buffer, Buffer];
    for (const body of [first, second]) await store.delete(digestsOf(body).sha256);
    const later = pattern(mebibyte, 777_777);
    await put(store, later);
    await store.flush();
    await expectStored(store, later);
  });

  it('aborts a body that does not fit without a trace', async () => {
    const writer = store.create({ sizeHint: 100 * mebibyte });
    const attempt = (async () => {
      for (let count = 0; count < 100; count++) await writer.write(pattern(mebibyte, count));
      await writer.commit();
    })();
    await expectCode(attempt, 'BLOB_STORAGE_FULL');
    await writer.abort();
    await put(store, pattern(6 * mebibyte, 1));
  });
});
