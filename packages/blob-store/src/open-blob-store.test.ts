import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { expectCode, expectStored, pattern, put } from './conformance.js';
import { openBlobStore, parseBlobStoreUrl } from './open-blob-store.js';

describe('parseBlobStoreUrl', () => {
  it.each([
    ['file:/var/lib/blobs', { kind: 'file', options: { dir: '/var/lib/blobs' } }],
    ['file:///with%20blank?small-bytes=1000', { kind: 'file', options: { dir: '/with blank', smallBytes: 1000 } }],
    ['s3://bucket', { kind: 's3', options: { bucket: 'bucket', prefix: '' } }],
    [
      's3://bucket/a/b?endpoint=https%3A%2F%2Fs3.example%3A9000&region=r1&path-style=true&cache-dir=/c&give-up-after-ms=5',
      {
        kind: 's3',
        options: {
          bucket: 'bucket',
          prefix: 'a/b',
          endpoint: 'https://s3.example:9000',
          region: 'r1',
          forcePathStyle: true,
          cacheDir: '/c',
          giveUpAfterMs: 5,
        },
      },
    ],
  ])('%s', (url, expected) => {
    expect(parseBlobStoreUrl(url)).toEqual(expected);
  });

  it.each([
    ['', /no URL/],
    ['/var/lib/blobs', /no URL.*file:\/path/],
    ['http://bucket/', /scheme is http:/],
    ['file://server/share', /host server/],
    ['file:/x?cache-dir=/y', /parameter "cache-dir"/],
    ['file:/x?small-bytes=many', /small-bytes is "many"/],
    ['file:/x?small-bytes=1&small-bytes=2', /small-bytes twice/],
    ['file:/x#y', /fragment/],
    ['s3:///prefix', /no bucket/],
    ['s3://bucket?secret=x', /parameter "secret"/],
    ['s3://bucket?path-style=yes', /path-style is "yes"/],
    ['s3://key:hidden@bucket/', /holds credentials/],
  ])('refuses %j', (url, message) => {
    expect(() => parseBlobStoreUrl(url)).toThrow(message);
    expect(() => parseBlobStoreUrl(url)).toThrow(expect.objectContaining({ code: 'BLOB_URL_INVALID' }));
    expect(() => parseBlobStoreUrl(url)).not.toThrow(/hidden/);
  });
});

describe('openBlobStore', () => {
  it('opens a directory', async () => {
    const root = await mkdtemp(join(tmpdir(), 'waybill-open-'));
    const store = await openBlobStore({ url: `${pathToFileURL(join(root, 'blobs'))}`, slot: 'auto' });
    await put(store, pattern(100, 1));
    await expectStored(store, pattern(100, 1));
    await store.close();
    await rm(root, { recursive: true });
  });

  it.each([
    ['s3://bucket', /no cache-dir/],
    ['s3://b!?cache-dir=/nowhere', /bucket is/],
    ['s3://bucket//x?cache-dir=/nowhere', /prefix is/],
    ['s3://bucket/../../x?cache-dir=/nowhere&endpoint=ftp://s3.example', /endpoint is/],
    ['s3://bucket/?cache-dir=/nowhere&endpoint=http://a:hidden@s3.example', /without credentials/],
    ['s3://bucket/?cache-dir=/nowhere&part-bytes=10', /partBytes is 10/],
  ])('refuses %j before it makes anything', async (url, message) => {
    await expectCode(openBlobStore({ url }), 'BLOB_URL_INVALID');
    await expect(openBlobStore({ url })).rejects.toThrow(message);
    await expect(openBlobStore({ url })).rejects.not.toThrow(/hidden/);
  });
});
