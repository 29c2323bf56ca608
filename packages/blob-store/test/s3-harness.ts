import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { BlobStoreHarness } from '../src/conformance.js';
import { createS3BlobStore, type S3BlobStoreOptions } from '../src/index.js';
import { flipByte } from './file-harness.js';

/** The server that `tooling/ci/s3.sh start` announces; missing in CI, that is a failure. */
export function testServer() {
  const { env } = process;
  const endpoint = env.WAYBILL_TEST_S3_ENDPOINT;
  if (endpoint === undefined) throw new Error('no S3 server: run eval "$(tooling/ci/s3.sh start)" first');
  return {
    endpoint,
    bucket: env.WAYBILL_TEST_S3_BUCKET ?? '',
    credentials: {
      accessKeyId: env.WAYBILL_TEST_S3_ACCESS_KEY ?? '',
      secretAccessKey: env.WAYBILL_TEST_S3_SECRET_KEY ?? '',
    },
  };
}

/** A part of the bucket that is empty at first, looked at past the store. */
export interface S3Place {
  readonly prefix: string;
  readonly options: Omit<S3BlobStoreOptions, 'cacheDir'>;
  put(key: string, body: Uint8Array): Promise<void>;
  /** All keys, without the prefix. */
  keys(): Promise<string[]>;
  unfinished(): Promise<string[]>;
  remove(): Promise<void>;
}

export function s3Place(): S3Place {
  const { endpoint, bucket, credentials } = testServer();
  const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  const prefix = `test-${randomUUID()}/`;
  const place: S3Place = {
    prefix,
    options: { endpoint, bucket, credentials, prefix, giveUpAfterMs: 3_000 },
    async put(key, body) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: prefix + key, Body: body }));
    },
    async keys() {
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
      return (Contents ?? []).map(({ Key = '' }) => Key.slice(prefix.length));
    },
    async unfinished() {
      const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }));
      return (Uploads ?? []).map(({ Key = '' }) => Key.slice(prefix.length));
    },
    async remove() {
      for (let keys = await place.keys(); keys.length > 0; keys = await place.keys()) {
        for (const key of keys) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: prefix + key }));
      }
      client.destroy();
    },
  };
  return place;
}

/** A store in S3 with a cache directory of its own, both kept when it is opened again. */
export async function s3Harness(): Promise<BlobStoreHarness> {
  const place = s3Place();
  const cacheDir = await mkdtemp(join(tmpdir(), 'waybill-s3-'));
  return {
    smallBytes: 256 * 1024,
    manyBodies: 500,
    open: () =>
      createS3BlobStore({
        ...place.options,
        cacheDir,
        partBytes: 5 * 1024 * 1024,
        // Nothing is relied on or spared: the suite looks at what is, not at what was a while ago.
        useLagMs: 0,
        graceMs: 0,
        usageMaxAgeMs: 0,
      }),
    async damage(sha256) {
      await place.put(`blobs/${sha256}`, Buffer.from('other bytes'));
      await flipByte(cacheDir, sha256);
    },
    leftovers: async () => [...(await readdir(join(cacheDir, 'tmp'))), ...(await place.unfinished())],
    async remove() {
      await place.remove();
      await rm(cacheDir, { recursive: true });
    },
  };
}
