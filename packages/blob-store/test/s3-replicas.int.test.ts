import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3';
import type { BlobStore, Clock } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, digestsOf, expectCode, expectStored, names, pattern, put } from '../src/conformance.js';
import { createFileBlobStore, createS3BlobStore, type S3BlobStoreOptions } from '../src/index.js';
import { type S3Place, s3Place, testServer } from './s3-harness.js';

const mebibyte = 1024 * 1024;
const small = pattern(10_000, 1);
const large = pattern(12 * mebibyte + 17, 2);
const bodies: [string, Buffer][] = [
  ['small', small],
  ['large', large],
];

/** Each store here stands for a replica: a cache of its own, the bucket in common. */
describe('several replicas on one bucket', () => {
  let root: string;
  let place: S3Place;
  let offset: number;
  const opened = new Set<BlobStore>();
  const clock: Clock = { now: () => new Date(Date.now() + offset) };
  const hours = (count: number) => {
    offset += count * 3_600_000;
    return clock.now();
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'waybill-s3-'));
    place = s3Place();
    offset = 0;
  });

  afterEach(async () => {
    await Promise.all([...opened].map((store) => store.close()));
    opened.clear();
    await place.remove();
    await rm(root, { recursive: true });
  });

  async function open(replica: string, options: Partial<S3BlobStoreOptions> = {}): Promise<BlobStore> {
    const store = await createS3BlobStore({
      ...place.options,
      cacheDir: join(root, replica),
      partBytes: 5 * mebibyte,
      clock,
      ...options,
    });
    opened.add(store);
    return store;
  }

  it.each(bodies)('all see a %s blob once it is flushed', async (_, body) => {
    const writer = await open('a');
    const digests = digestsOf(body);
    await put(writer, body, { sha512: true });
    await writer.flush();
    for (const replica of ['b', 'c', 'd']) {
      const reader = await open(replica);
      if (replica === 'b') await expectStored(reader, body);
      if (replica === 'c') await reader.exportTo(digests.sha256, join(root, 'out'));
      expect((await collect(reader.open(digests.sha256, { start: 5, end: 99 }))).equals(body.subarray(5, 100))).toBe(
        true,
      );
      await expectCode(collect(reader.open(digests.sha256, { start: 0, end: body.length })), 'BLOB_RANGE_INVALID');
      expect(await reader.stat(digests.sha256)).toEqual({ digests, size: body.length });
      expect(await reader.resolve({ algorithm: 'sha256', hex: digests.sha256 })).toBe(digests.sha256);
      expect(await names(reader)).toEqual([digests.sha256]);
      expect(await reader.usage()).toEqual({ bytes: body.length, count: 1 });
      await expectStored(reader, body);
    }
    expect(await place.unfinished()).toEqual([]);
  });

  it('are led to a blob by its sha512, and believe its bytes only', async () => {
    const writer = await open('a');
    for (const [, body] of bodies) await put(writer, body, { sha512: true });
    await writer.flush();
    const isThere = async (key: string) => (await place.keys()).includes(key);
    for (const [name, body] of bodies) {
      const { sha256, sha512 } = digestsOf(body);
      for (let waited = 0; waited < 200 && !(await isThere(`by-sha512/${sha512}`)); waited++) await sleep(10);
      const reader = await open(`finds ${name}`);
      expect(await reader.resolve({ algorithm: 'sha512', hex: sha512 })).toBe(sha256);
      await expectStored(reader, body);
      const lie = digestsOf(Buffer.from(`not ${name}`)).sha512;
      for (const text of [sha256, 'nonsense', `${sha256}${sha256}`, '0'.repeat(64)]) {
        await place.put(`by-sha512/${lie}`, Buffer.from(text));
        expect(await (await open(`${name} ${text}`)).resolve({ algorithm: 'sha512', hex: lie })).toBeUndefined();
      }
    }
  });

  it('take objects that somebody copied into the bucket', async () => {
    const digests = digestsOf(small);
    await place.put(`blobs/${digests.sha256}`, small);
    await place.put('blobs/nonsense', small);
    const store = await open('a');
    expect(await store.stat(digests.sha256)).toEqual({ digests, size: small.length });
    expect(await names(store)).toEqual([digests.sha256]);
  });

  it('repair what is wrong in the bucket when the same bytes come again', async () => {
    for (const [name, body] of bodies) {
      const { sha256 } = digestsOf(body);
      const wrong = Buffer.from(body);
      wrong[9] = (wrong[9] as number) ^ 1;
      await place.put(`blobs/${sha256}`, wrong);
      const store = await open(name);
      await expectCode(collect(store.open(sha256)), 'BLOB_CORRUPT');
      await put(store, body);
      await store.flush();
      await expectStored(await open(`${name} later`), body);
    }
  });

  it.each(bodies)('remove a %s blob only when none used it for long enough', async (_, body) => {
    const graceMs = 500;
    const [first, second] = [await open('a', { graceMs }), await open('b', { graceMs })];
    const { sha256 } = digestsOf(body);
    const isThere = async () => (await place.keys()).includes(`blobs/${sha256}`);
    await put(first, body);
    await first.flush();
    // An upload is relied on for an hour: uses in that time leave no trace.
    expect(await second.delete(sha256, { unusedSince: clock.now() })).toBe(false);
    expect(await first.delete(sha256, { unusedSince: hours(2) })).toBe(true);
    // Time of grace: still there, and whoever stores it keeps it.
    offset = -3_600_000;
    await first.compact();
    expect(await isThere()).toBe(true);
    await expectStored(second, body);
    offset = 0;
    const third = await open('c', { graceMs });
    await put(third, body);
    await third.flush();
    expect((await place.keys()).filter((key) => key.startsWith('doomed/'))).toEqual([]);
    hours(1);
    await first.compact();
    expect(await isThere()).toBe(true);
    await expectStored(await open('d'), body);
    // Nobody does the second time. S3 counts whole seconds, and what was used in the same one is wanted.
    await sleep(1_100);
    expect(await second.delete(sha256, { unusedSince: hours(24) })).toBe(true);
    await first.compact();
    expect((await place.keys()).filter((key) => !key.startsWith('by-sha512/'))).toEqual([]);
    const late = await open('e');
    expect(await late.stat(sha256)).toBeUndefined();
    await expectCode(collect(late.open(sha256)), 'BLOB_NOT_FOUND');
    expect(await late.resolve({ algorithm: 'sha256', hex: sha256 })).toBeUndefined();
  });

  it('count a resolve as a use', async () => {
    const store = await open('a');
    const { sha256 } = digestsOf(small);
    const usedAt = async () => {
      for await (const entry of store.entries()) return entry.usedAt.getTime();
      return 0;
    };
    await put(store, small);
    await store.flush();
    const before = await usedAt();
    // S3 counts whole seconds.
    await sleep(1_100);
    hours(1);
    expect(await (await open('b')).resolve({ algorithm: 'sha256', hex: sha256 })).toBe(sha256);
    expect(await usedAt()).toBeGreaterThan(before);
  });

  it('clean up what killed uploads left, by age', async () => {
    const { endpoint, bucket, credentials } = testServer();
    const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
    for (const key of ['blobs/x', 'blobs/y']) {
      await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: place.prefix + key }));
    }
    client.destroy();
    const store = await open('a');
    await store.compact();
    expect((await place.unfinished()).sort()).toEqual(['blobs/x', 'blobs/y']);
    hours(25);
    await store.compact();
    expect(await place.unfinished()).toEqual([]);
  });

  it('keep their local copies within bounds', async () => {
    const all = Array.from({ length: 12 }, (_, at) => pattern(mebibyte, at));
    const store = await open('a', { cacheBytes: 3 * mebibyte });
    for (const body of all) {
      await put(store, body);
      await store.flush();
      hours(1);
    }
    // Room is made in the background.
    const used = async () => {
      const look = await createFileBlobStore({ dir: join(root, 'a'), slot: 'auto' });
      const { bytes } = await look.usage();
      await look.close();
      return bytes;
    };
    for (let waited = 0; waited < 100 && (await used()) > 4 * mebibyte; waited++) await sleep(20);
    expect(await used()).toBeLessThanOrEqual(4 * mebibyte);
    for (const body of all) await expectStored(store, body);
  });
});
