import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobStore } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, digestsOf, expectCode, expectStored, pattern, put } from '../src/conformance.js';
import { createS3BlobStore, type S3BlobStoreOptions } from '../src/index.js';
import { type Fault, type FaultProxy, startFaultProxy } from './fault-proxy.js';
import { type S3Place, s3Place, testServer } from './s3-harness.js';

const mebibyte = 1024 * 1024;
const small = pattern(10_000, 1);
const large = pattern(6 * mebibyte + 17, 2);
const bodies: [string, Buffer][] = [
  ['small', small],
  ['large', large],
];

describe('an S3 service that is slow, wrong or away', () => {
  let root: string;
  let place: S3Place;
  let proxy: FaultProxy;
  const opened = new Set<BlobStore>();

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'waybill-s3-'));
    place = s3Place();
    proxy = await startFaultProxy(testServer().endpoint);
  });

  afterEach(async () => {
    proxy.decide = () => ({ kind: 'pass' });
    await Promise.all([...opened].map((store) => store.close()));
    opened.clear();
    await proxy.close();
    await place.remove();
    await rm(root, { recursive: true });
  });

  /** Behind the proxy. */
  async function open(replica: string, options: Partial<S3BlobStoreOptions> = {}): Promise<BlobStore> {
    const store = await createS3BlobStore({
      ...place.options,
      endpoint: proxy.endpoint,
      cacheDir: join(root, replica),
      partBytes: 5 * mebibyte,
      timeoutMs: 1_000,
      giveUpAfterMs: 4_000,
      ...options,
    });
    opened.add(store);
    return store;
  }

  /** Each request for a body meets the fault so often, others none. */
  function trouble(
    times: number,
    fault: Fault,
    isMeant: (method: string) => boolean = (method) => method === 'PUT' || method === 'GET',
  ): void {
    const met = new Map<string, number>();
    proxy.decide = (method, path) => {
      const count = met.get(`${method} ${path}`) ?? 0;
      if (!path.includes('/blobs/') || !isMeant(method) || count >= times) return { kind: 'pass' };
      met.set(`${method} ${path}`, count + 1);
      return fault;
    };
  }

  const passing: [string, number, Fault][] = [
    ['says SlowDown', 3, { kind: 'status', status: 503, code: 'SlowDown' }],
    ['fails', 2, { kind: 'status', status: 500 }],
    ['answers nonsense from some gateway', 1, { kind: 'status', status: 502, code: '' }],
    ['is slow', 1, { kind: 'delay', ms: 500 }],
    ['breaks connections', 2, { kind: 'reset' }],
    ['answers too late', 1, { kind: 'hang' }],
  ];

  describe('while storing', () => {
    it.each([
      ...passing,
      ['does it and loses the answer', 1, { kind: 'lose-answer' }] as [string, number, Fault],
      ['gets other bytes', 1, { kind: 'corrupt-upload' }] as [string, number, Fault],
    ])('%s, for a while: everything is stored', async (_, times, fault) => {
      const store = await open('a');
      trouble(times, fault);
      for (const [, body] of bodies) await put(store, body);
      await store.flush();
      proxy.decide = () => ({ kind: 'pass' });
      const reader = await open('b');
      for (const [, body] of bodies) await expectStored(reader, body);
      expect(await place.unfinished()).toEqual([]);
    });

    it.each(bodies)(
      'is away: a %s blob is refused in time, nothing of it can be read, and it is stored once it is back',
      async (_, body) => {
        const store = await open('a', { giveUpAfterMs: 500, timeoutMs: 300 });
        const reader = await open('b');
        const { sha256 } = digestsOf(body);
        for (const fault of [{ kind: 'reset' }, { kind: 'hang' }, { kind: 'status', status: 503 }] as const) {
          proxy.decide = (method) => (method === 'PUT' || method === 'POST' ? fault : { kind: 'pass' });
          if (!(await store.stat(sha256))) await put(store, body);
          await expect(store.flush()).rejects.toMatchObject({
            code: 'BLOB_STORAGE_FAILED',
            message: expect.stringContaining(`cannot store blob ${sha256} in s3://`),
            hint: expect.any(String),
          });
          expect(await reader.stat(sha256)).toBeUndefined();
          await expectCode(collect(reader.open(sha256)), 'BLOB_NOT_FOUND');
        }
        proxy.decide = () => ({ kind: 'pass' });
        await store.flush();
        await expectStored(reader, body);
      },
    );

    it('forgets the parts it got: the upload fails in time, leaves nothing, and is done anew', async () => {
      const store = await open('a', { giveUpAfterMs: 1_500 });
      proxy.decide = (method, path) =>
        method === 'PUT' && path.includes('partNumber') ? { kind: 'wrong-etag' } : { kind: 'pass' };
      await put(store, large);
      await expectCode(store.flush(), 'BLOB_STORAGE_FAILED');
      expect(await place.keys()).toEqual([]);
      proxy.decide = () => ({ kind: 'pass' });
      await store.flush();
      await expectStored(await open('b'), large);
      expect(await place.unfinished()).toEqual([]);
    });

    it.each([
      [507, 'InsufficientStorage', 'BLOB_STORAGE_FULL', /free space/],
      [403, 'QuotaExceeded', 'BLOB_STORAGE_FULL', /free space/],
      [403, 'AccessDenied', 'BLOB_STORAGE_FAILED', /credentials/],
      [404, 'NoSuchBucket', 'BLOB_STORAGE_FAILED', /bucket/],
      [403, 'RequestTimeTooSkewed', 'BLOB_STORAGE_FAILED', /clock/],
      [301, 'PermanentRedirect', 'BLOB_STORAGE_FAILED', /region/],
    ])('says %i %s: %s, said clearly', async (status, code, expected, hint) => {
      const store = await open('a', { giveUpAfterMs: 300 });
      trouble(99, { kind: 'status', status, code });
      for (const [, body] of bodies) {
        await put(store, body);
        const failed = store.flush();
        await expect(failed).rejects.toMatchObject({ code: expected, hint: expect.stringMatching(hint) });
        await expect(failed).rejects.toThrow(new RegExp(`${status} ${code}`));
      }
      proxy.decide = () => ({ kind: 'pass' });
    });

    it('does not repeat what is refused for good', async () => {
      const store = await open('a');
      trouble(99, { kind: 'status', status: 403, code: 'AccessDenied' });
      await put(store, small);
      await expectCode(store.flush(), 'BLOB_STORAGE_FAILED');
      expect(proxy.seen.filter((line) => line.startsWith('PUT') && line.includes('/blobs/')).length).toBe(1);
      proxy.decide = () => ({ kind: 'pass' });
    });
  });

  describe('while reading', () => {
    it.each([...passing, ['breaks off in the middle', 3, { kind: 'truncate' }] as [string, number, Fault]])(
      '%s, for a while: everything is read',
      async (_, times, fault) => {
        const store = await open('a');
        for (const [, body] of bodies) await put(store, body);
        await store.flush();
        trouble(times, fault, (method) => method === 'GET' || method === 'HEAD');
        const reader = await open('b');
        for (const [, body] of bodies) {
          const { sha256 } = digestsOf(body);
          const part = await collect(reader.open(sha256, { start: 7, end: body.length - 9 }));
          expect(part.equals(body.subarray(7, body.length - 8))).toBe(true);
          await expectStored(reader, body);
        }
      },
    );

    it('gives other bytes once: a small blob is read again, a large one never completes', async () => {
      const store = await open('a');
      for (const [, body] of bodies) await put(store, body);
      await store.flush();
      trouble(1, { kind: 'corrupt' });
      await expectStored(await open('b'), small);
      const received: Buffer[] = [];
      const reader = await open('c');
      // The first look, which finds that it is large, reads nothing.
      trouble(2, { kind: 'corrupt' });
      const read = (async () => {
        for await (const chunk of reader.open(digestsOf(large).sha256)) received.push(chunk as Buffer);
      })();
      await expectCode(read, 'BLOB_CORRUPT');
      expect(Buffer.concat(received).length).toBeLessThan(large.length);
      await expectStored(reader, large);
    });

    it.each([
      [{ kind: 'reset' } as Fault],
      [{ kind: 'hang' } as Fault],
      [{ kind: 'status', status: 503, code: 'SlowDown' } as Fault],
    ])('is away (%j): told in time, and never as absent', async (fault) => {
      const store = await open('a');
      await put(store, small);
      await store.flush();
      const reader = await open('b', { giveUpAfterMs: 300, timeoutMs: 200 });
      proxy.decide = () => fault;
      const { sha256 } = digestsOf(small);
      await expectCode(reader.stat(sha256), 'BLOB_STORAGE_FAILED');
      await expectCode(collect(reader.open(sha256)), 'BLOB_STORAGE_FAILED');
      await expectCode(reader.resolve({ algorithm: 'sha256', hex: sha256 }), 'BLOB_STORAGE_FAILED');
      await expectCode(reader.exportTo(sha256, join(root, 'out')), 'BLOB_STORAGE_FAILED');
      await expectCode(reader.delete(sha256), 'BLOB_STORAGE_FAILED');
      await expectCode(reader.compact(), 'BLOB_STORAGE_FAILED');
      await expectCode(reader.usage(), 'BLOB_STORAGE_FAILED');
    });
  });

  describe('at the start', () => {
    it.each([
      ['nobody listens', { endpoint: 'http://127.0.0.1:1' }, /ECONNREFUSED/, /endpoint/],
      ['the bucket is missing', { bucket: 'no-such-bucket' }, /NoSuchBucket/, /bucket/],
      [
        'the keys are wrong',
        { credentials: { accessKeyId: 'somebody', secretAccessKey: 'hidden-secret' } },
        /access key/i,
        undefined,
      ],
    ])('%s: told at once, without secrets', async (_, options, message, hint) => {
      const attempt = open('a', { giveUpAfterMs: 300, ...options });
      await expectCode(attempt, 'BLOB_STORAGE_FAILED');
      await expect(attempt).rejects.toThrow(message);
      if (hint) await expect(attempt).rejects.toMatchObject({ hint: expect.stringMatching(hint) });
      await expect(attempt).rejects.not.toThrow(/hidden-secret/);
    });
  });
});
