import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import {
  Capabilities,
  Compressor_Value,
  ContentAddressableStorage,
  DigestFunction_Value,
} from '../src/gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { ByteStream } from '../src/gen/google/bytestream/bytestream_pb.js';
import { maxBatchBytes } from '../src/grpc/capabilities.js';
import { blobOf, directoryOf, noise, type TestBlob } from './blobs.js';
import { createGrpcScene, type GrpcClient, type GrpcScene, type SceneOptions } from './grpc-scene.js';

const { findMissingBlobs, batchUpdateBlobs, batchReadBlobs, getTree } = ContentAddressableStorage.method;
const { read, write, queryWriteStatus } = ByteStream.method;
const uuid = '0f6a5b1c-0000-4000-8000-000000000000';
const empty = blobOf('');

let scene: GrpcScene;
afterEach(() => scene?.[Symbol.asyncDispose]());

async function start(options: SceneOptions = {}) {
  scene = await createGrpcScene(options);
  return { writer: scene.client('writer'), reader: scene.client('reader'), nobody: scene.client() };
}

async function store(client: GrpcClient, ...blobs: TestBlob[]) {
  const { answer } = await client.unary(batchUpdateBlobs, {
    requests: blobs.map(({ digest, bytes: data }) => ({ digest, data })),
  });
  expect(answer?.responses.map(({ status }) => status?.code)).toEqual(blobs.map(() => 0));
}

function uploadOf(blob: TestBlob, step: number, prefix = '', resource?: string) {
  const resourceName = resource ?? `${prefix}uploads/${uuid}/blobs/${blob.digest.hash}/${blob.bytes.length}`;
  const messages = [];
  for (let at = 0; at < blob.bytes.length || messages.length === 0; at += step) {
    messages.push({
      resourceName: at === 0 ? resourceName : '',
      writeOffset: BigInt(at),
      data: blob.bytes.subarray(at, at + step),
      finishWrite: at + step >= blob.bytes.length,
    });
  }
  return messages;
}

function bytesOf(outcome: { answer?: { data: Uint8Array }[] | undefined; code: number; details?: string | undefined }) {
  expect(outcome).toMatchObject({ code: 0 });
  return Buffer.concat(outcome.answer?.map(({ data }) => data) ?? []);
}

describe('capabilities', () => {
  it('tell a writer that updates are taken, and a reader and nobody that they are not', async () => {
    const { writer, reader, nobody } = await start();
    const updates = async (client: GrpcClient, instanceName = '') => {
      const { answer } = await client.unary(Capabilities.method.getCapabilities, { instanceName });
      return answer?.cacheCapabilities?.actionCacheUpdateCapabilities?.updateEnabled;
    };
    expect(await updates(writer)).toBe(true);
    expect(await updates(writer, 'team/a')).toBe(true);
    expect(await updates(writer, 'other')).toBe(false);
    expect(await updates(reader)).toBe(false);
    expect(await updates(nobody)).toBe(false);
  });

  it('announce what clients check before they start', async () => {
    const { writer } = await start();
    const { answer } = await writer.unary(Capabilities.method.getCapabilities, {});
    expect(answer).toMatchObject({
      cacheCapabilities: {
        digestFunctions: [DigestFunction_Value.SHA256],
        cachePriorityCapabilities: { priorities: [{ minPriority: 0, maxPriority: 0 }] },
        supportedCompressors: [Compressor_Value.ZSTD],
        supportedBatchUpdateCompressors: [Compressor_Value.ZSTD],
      },
      lowApiVersion: { major: 2, minor: 0 },
      highApiVersion: { major: 2, minor: 3 },
    });
    expect(Number(answer?.cacheCapabilities?.maxBatchTotalSizeBytes)).toBeLessThan(4 * 1024 ** 2);
  });

  it('say so to who may read when there is no such instance, and when a namespace takes no writes', async () => {
    const { writer } = await start({
      rules: (name) => ({ main: {}, frozen: { readOnly: true } })[name],
    });
    const ask = (instanceName: string) => writer.unary(Capabilities.method.getCapabilities, { instanceName });
    expect(await ask('team/none')).toMatchObject({ code: status.NOT_FOUND });
    expect(await ask('../etc')).toMatchObject({ code: 0 });
    expect((await ask('frozen')).answer?.cacheCapabilities?.actionCacheUpdateCapabilities?.updateEnabled).toBe(false);
  });

  it('are no way around wrong credentials', async () => {
    await start({ anonymous: 'write' });
    const wrong = await scene.client('nonsense').unary(Capabilities.method.getCapabilities, {});
    expect(wrong).toMatchObject({ code: status.UNAUTHENTICATED });
  });
});

describe('batches', () => {
  it('store, find and read blobs, each with an outcome of its own', async () => {
    const { writer, reader } = await start();
    const a = blobOf('a');
    const b = blobOf('b');
    const wrong = { digest: blobOf('c').digest, data: Buffer.from('x') };
    const long = { digest: blobOf('d').digest, data: Buffer.from('dd') };
    const { answer } = await writer.unary(batchUpdateBlobs, {
      requests: [
        { digest: a.digest, data: a.bytes },
        wrong,
        long,
        { data: a.bytes },
        { digest: { hash: 'zz', sizeBytes: 1n }, data: a.bytes },
        { digest: empty.digest },
      ],
    });
    const bad = status.INVALID_ARGUMENT;
    expect(answer?.responses.map(({ status }) => status?.code)).toEqual([0, bad, bad, bad, bad, 0]);
    const missing = await reader.unary(findMissingBlobs, {
      blobDigests: [a, b, empty, b, { digest: { ...a.digest, sizeBytes: 2n } }].map(({ digest }) => digest),
    });
    expect(missing.answer?.missingBlobDigests.map(({ hash, sizeBytes }) => [hash, sizeBytes])).toEqual([
      [b.digest.hash, 1n],
      [a.digest.hash, 2n],
    ]);
    const found = await reader.unary(batchReadBlobs, { digests: [a.digest, b.digest, empty.digest] });
    expect(found.answer?.responses.map(({ status }) => status?.code ?? 0)).toEqual([0, status.NOT_FOUND, 0]);
    expect(Buffer.from(found.answer?.responses[0]?.data ?? []).toString()).toBe('a');
  });

  it('take and give zstd, bounded by the announced size', async () => {
    const { writer } = await start();
    const text = blobOf('text '.repeat(1000));
    const bomb = blobOf(Buffer.alloc(3_000_000));
    const deflated = (data: Uint8Array) => ({ data: zstdCompressSync(data), compressor: Compressor_Value.ZSTD });
    const { answer } = await writer.unary(batchUpdateBlobs, {
      requests: [
        { digest: text.digest, ...deflated(text.bytes) },
        { digest: { hash: bomb.digest.hash, sizeBytes: 10n }, ...deflated(bomb.bytes) },
        { digest: text.digest, data: text.bytes, compressor: Compressor_Value.ZSTD },
        { digest: text.digest, data: text.bytes, compressor: Compressor_Value.DEFLATE },
      ],
    });
    expect(answer?.responses.map(({ status }) => status?.code)).toEqual([0, 3, 3, 3]);
    const found = await writer.unary(batchReadBlobs, {
      digests: [text.digest],
      acceptableCompressors: [Compressor_Value.ZSTD],
    });
    const [one] = found.answer?.responses ?? [];
    expect(one?.compressor).toBe(Compressor_Value.ZSTD);
    expect(zstdDecompressSync(one?.data ?? Buffer.alloc(0)).equals(text.bytes)).toBe(true);
    const plain = await writer.unary(batchReadBlobs, { digests: [text.digest] });
    expect(plain.answer?.responses[0]?.compressor).toBe(Compressor_Value.IDENTITY);
  });

  it('are refused as a whole above the announced limit, both ways, and other digest functions', async () => {
    const { writer } = await start();
    const big = blobOf(noise(maxBatchBytes + 1));
    const bad = { code: status.INVALID_ARGUMENT };
    expect(await writer.unary(batchUpdateBlobs, { requests: [{ digest: big.digest, data: big.bytes }] })).toMatchObject(
      bad,
    );
    expect(await writer.unary(batchReadBlobs, { digests: [big.digest] })).toMatchObject(bad);
    expect(
      await writer.unary(findMissingBlobs, { blobDigests: [big.digest], digestFunction: DigestFunction_Value.BLAKE3 }),
    ).toMatchObject(bad);
    expect(await writer.unary(findMissingBlobs, { blobDigests: [{ hash: 'x', sizeBytes: 1n }] })).toMatchObject(bad);
    expect(
      await writer.unary(findMissingBlobs, { blobDigests: [{ hash: big.digest.hash, sizeBytes: -1n }] }),
    ).toMatchObject(bad);
  });

  it('of nothing are fine: BuildStream asks that way what is spoken', async () => {
    const { reader, nobody } = await start();
    expect(await reader.unary(batchReadBlobs, {})).toMatchObject({ code: 0, answer: { responses: [] } });
    for (const client of [reader, nobody]) {
      expect(await client.unary(batchUpdateBlobs, {})).toMatchObject({ code: 0, answer: { responses: [] } });
    }
  });

  it('ask about 20 000 digests at once', async () => {
    const { writer } = await start();
    const there = blobOf('number 15000');
    await store(writer, there);
    const digests = Array.from({ length: 20_000 }, (_, index) => blobOf(`number ${index}`).digest);
    const { answer } = await writer.unary(findMissingBlobs, { blobDigests: digests });
    expect(answer?.missingBlobDigests).toHaveLength(19_999);
  });
});

describe('rights', () => {
  it('are asked for before anything is told', async () => {
    const { reader, nobody } = await start();
    const { digest, bytes: data } = blobOf('a');
    const requests = [{ digest, data }];
    expect(await nobody.unary(findMissingBlobs, { blobDigests: [digest] })).toMatchObject({
      code: status.UNAUTHENTICATED,
    });
    expect(await reader.unary(batchUpdateBlobs, { requests })).toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await reader.unary(findMissingBlobs, { instanceName: 'other' })).toMatchObject({
      code: status.PERMISSION_DENIED,
    });
    expect(await reader.send(write, uploadOf(blobOf('a'), 10))).toMatchObject({ code: status.PERMISSION_DENIED });
    expect(await nobody.stream(read, { resourceName: `blobs/${digest.hash}/1` })).toMatchObject({
      code: status.UNAUTHENTICATED,
    });
  });

  it('open what the listener opens', async () => {
    const { writer, nobody } = await start({ anonymous: 'read' });
    await store(writer, blobOf('a'));
    const { answer } = await nobody.unary(batchReadBlobs, { digests: [blobOf('a').digest] });
    expect(answer?.responses[0]?.data).toHaveLength(1);
    expect(await nobody.unary(batchUpdateBlobs, { requests: [{}] })).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it('end at the namespace', async () => {
    const { writer } = await start();
    await store(writer, blobOf('secret'));
    const elsewhere = await writer.unary(findMissingBlobs, {
      instanceName: 'team/a',
      blobDigests: [blobOf('secret').digest],
    });
    expect(elsewhere.answer?.missingBlobDigests).toHaveLength(1);
  });
});

describe('streams', () => {
  it.each([
    ['one message', 5_000_000],
    ['16 KiB at a time, as Bazel', 16 * 1024],
    ['1 MiB at a time, as BuildStream', 1024 ** 2],
  ])('store and read a large blob: %s', async (_name, step) => {
    const { writer, reader } = await start();
    const blob = blobOf(noise(5_000_000));
    expect(await writer.send(write, uploadOf(blob, step))).toMatchObject({
      code: 0,
      answer: { committedSize: 5_000_000n },
    });
    const name = `blobs/${blob.digest.hash}/5000000`;
    expect(bytesOf(await reader.stream(read, { resourceName: name })).equals(blob.bytes)).toBe(true);
    const part = await reader.stream(read, { resourceName: name, readOffset: 4_000_000n, readLimit: 10n });
    expect(bytesOf(part)).toEqual(Buffer.from(blob.bytes.subarray(4_000_000, 4_000_010)));
    const rest = await reader.stream(read, { resourceName: name, readOffset: 4_999_990n, readLimit: 1000n });
    expect(bytesOf(rest)).toHaveLength(10);
    const none = await reader.stream(read, { resourceName: name, readOffset: 5_000_000n });
    expect(bytesOf(none)).toHaveLength(0);
    // Again: it is there, and the answer is the same.
    expect(await writer.send(write, uploadOf(blob, step))).toMatchObject({
      code: 0,
      answer: { committedSize: 5_000_000n },
    });
  });

  it('know instances of many segments and remarks behind the name', async () => {
    const { writer } = await start();
    const blob = blobOf('in a team');
    const name = `team/a/b/uploads/${uuid}/blobs/${blob.digest.hash}/9/out/file.txt`;
    expect(await writer.send(write, uploadOf(blob, 100, '', name))).toMatchObject({ code: 0 });
    expect(bytesOf(await writer.stream(read, { resourceName: `team/a/b/blobs/${blob.digest.hash}/9` }))).toHaveLength(
      9,
    );
    expect(await writer.stream(read, { resourceName: `blobs/${blob.digest.hash}/9` })).toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  it('take and give zstd, in one frame or several', async () => {
    const { writer } = await start();
    const blob = blobOf(Buffer.concat([noise(300_000), Buffer.alloc(2_000_000)]));
    const frames = Buffer.concat([
      zstdCompressSync(blob.bytes.subarray(0, 1_000_000)),
      zstdCompressSync(blob.bytes.subarray(1_000_000)),
    ]);
    const resource = `uploads/${uuid}/compressed-blobs/zstd/${blob.digest.hash}/${blob.bytes.length}`;
    const messages = uploadOf({ ...blob, bytes: frames }, 64 * 1024, '', resource);
    expect(await writer.send(write, messages)).toMatchObject({ code: 0, answer: { committedSize: 2_300_000n } });
    const name = `compressed-blobs/zstd/${blob.digest.hash}/${blob.bytes.length}`;
    const whole = zstdDecompressSync(bytesOf(await writer.stream(read, { resourceName: name })));
    expect(whole.equals(blob.bytes)).toBe(true);
    const rest = bytesOf(await writer.stream(read, { resourceName: name, readOffset: 250_000n }));
    expect(zstdDecompressSync(rest).equals(blob.bytes.subarray(250_000))).toBe(true);
    const limited = await writer.stream(read, { resourceName: name, readLimit: 1n });
    expect(limited).toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it('refuse what is not as announced, and keep nothing of it', async () => {
    const { writer } = await start();
    const blob = blobOf(noise(100_000));
    const name = `uploads/${uuid}/blobs/${blob.digest.hash}/100000`;
    const whole = { resourceName: name, data: blob.bytes, finishWrite: true };
    const zipped = `uploads/${uuid}/compressed-blobs/zstd/${blob.digest.hash}/100000`;
    const bomb = zstdCompressSync(Buffer.alloc(50_000_000));
    for (const [what, messages] of Object.entries({
      'other bytes': [{ ...whole, data: noise(100_000, 'other') }],
      'too few': [{ ...whole, data: blob.bytes.subarray(1) }],
      'too many': [{ ...whole, data: noise(100_001) }],
      'no end': [{ ...whole, finishWrite: false }],
      'a gap': [
        { ...whole, data: blob.bytes.subarray(0, 10), finishWrite: false },
        { resourceName: '', writeOffset: 11n, data: blob.bytes.subarray(11), finishWrite: true },
      ],
      'another name on the way': [
        { ...whole, data: blob.bytes.subarray(0, 10), finishWrite: false },
        { resourceName: `${name}x`, writeOffset: 10n, data: blob.bytes.subarray(10), finishWrite: true },
      ],
      'more after the end': [whole, { resourceName: '', writeOffset: 100_000n, data: Buffer.from('x') }],
      nothing: [],
      'no name': [{ ...whole, resourceName: '' }],
      'not zstd': [{ ...whole, resourceName: zipped }],
      'half a frame': [{ ...whole, resourceName: zipped, data: zstdCompressSync(blob.bytes).subarray(0, 5000) }],
      'a bomb': [{ ...whole, resourceName: zipped, data: bomb }],
    })) {
      expect(await writer.send(write, messages), what).toMatchObject({ code: status.INVALID_ARGUMENT });
    }
    const { answer } = await writer.unary(queryWriteStatus, { resourceName: name });
    expect(answer).toMatchObject({ committedSize: 0n, complete: false });
    expect(await writer.send(write, [whole])).toMatchObject({ code: 0 });
    const after = await writer.unary(queryWriteStatus, { resourceName: name });
    expect(after.answer).toMatchObject({ committedSize: 100_000n, complete: true });
  });

  it('leave nothing of an upload that was cut off', async () => {
    const { writer } = await start();
    const blob = blobOf(noise(300_000));
    const [first] = uploadOf(blob, 200_000);
    expect(await writer.send(write, first ? [first] : [], 'cut')).toMatchObject({ code: status.CANCELLED });
    const { answer } = await writer.unary(findMissingBlobs, { blobDigests: [blob.digest] });
    expect(answer?.missingBlobDigests).toHaveLength(1);
    expect(await writer.send(write, uploadOf(blob, 200_000))).toMatchObject({ code: 0 });
  });

  it.each([
    ['an offset behind the end', { readOffset: 4n }, status.OUT_OF_RANGE],
    ['a negative offset', { readOffset: -1n }, status.OUT_OF_RANGE],
    ['a negative limit', { readLimit: -1n }, status.OUT_OF_RANGE],
    ['another size', { resourceName: `blobs/${blobOf('abc').digest.hash}/4` }, status.NOT_FOUND],
    ['another blob', { resourceName: `blobs/${blobOf('abd').digest.hash}/3` }, status.NOT_FOUND],
    ['no name', { resourceName: '' }, status.INVALID_ARGUMENT],
    [
      'another compressor',
      { resourceName: `compressed-blobs/deflate/${blobOf('abc').digest.hash}/3` },
      status.INVALID_ARGUMENT,
    ],
  ])('refuse to read %s', async (_name, request, code) => {
    const { writer } = await start();
    await store(writer, blobOf('abc'));
    const resourceName = `blobs/${blobOf('abc').digest.hash}/3`;
    expect(await writer.stream(read, { resourceName, ...request })).toMatchObject({ code });
  });

  it('always have the empty blob', async () => {
    const { writer, reader } = await start();
    const name = `blobs/${empty.digest.hash}/0`;
    expect(bytesOf(await reader.stream(read, { resourceName: name }))).toHaveLength(0);
    const zipped = bytesOf(await reader.stream(read, { resourceName: `compressed-blobs/zstd/${empty.digest.hash}/0` }));
    expect(zipped.length === 0 || zstdDecompressSync(zipped).length === 0).toBe(true);
    expect(await writer.send(write, uploadOf(empty, 1))).toMatchObject({ code: 0 });
  });

  it('refuse blobs above the limit of the namespace', async () => {
    const { writer } = await start({ rules: () => ({ maxBlobBytes: 1000 }) });
    const { answer } = await writer.unary(Capabilities.method.getCapabilities, {});
    expect(answer?.cacheCapabilities?.maxCasBlobSizeBytes).toBe(1000n);
    expect(await writer.send(write, uploadOf(blobOf(noise(1001)), 4096))).toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });
});

describe('trees', () => {
  it('come in pages, each directory once, without what is missing', async () => {
    const { writer, reader } = await start();
    const file = blobOf('f');
    const leaf = directoryOf({ f: file });
    const gone = directoryOf({ gone: file });
    const middle = directoryOf({}, { one: leaf, two: leaf, three: gone });
    const root = directoryOf({ x: file }, { a: middle, b: leaf });
    await store(writer, file, leaf, middle, root);
    const all = await reader.stream(getTree, { rootDigest: root.digest });
    expect(all.answer?.flatMap(({ directories }) => directories)).toHaveLength(3);
    expect(all.answer?.at(-1)?.nextPageToken).toBe('');
    const paged = await reader.stream(getTree, { rootDigest: root.digest, pageSize: 1 });
    expect(paged.answer?.map(({ directories }) => directories.length)).toEqual([1, 1, 1]);
    const pageToken = paged.answer?.[0]?.nextPageToken ?? 'none';
    const rest = await reader.stream(getTree, { rootDigest: root.digest, pageToken });
    expect(rest.answer?.flatMap(({ directories }) => directories)).toHaveLength(2);
    const absent = await reader.stream(getTree, { rootDigest: gone.digest });
    expect(absent).toMatchObject({ code: status.NOT_FOUND });
    const strange = await reader.stream(getTree, { rootDigest: root.digest, pageToken: '-1' });
    expect(strange).toMatchObject({ code: status.INVALID_ARGUMENT });
  });
});
