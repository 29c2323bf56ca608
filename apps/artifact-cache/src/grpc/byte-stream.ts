import { Readable } from 'node:stream';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import type { CacheNamespace, CacheRange, CacheUpload } from '@waybill/cache-store';
import type { ByteStream, WriteRequest } from '../gen/google/bytestream/bytestream_pb.js';
import type { Serving } from '../serving/serving.js';
import { enter } from './calls.js';
import { invalid } from './digest.js';
import { parseReadName, parseWriteName, type ResourceName } from './resource-name.js';
import { deflateStream, inflateTo } from './zstd.js';

/** Bytes of one message to a client: large enough to cost little, far below the 4 MiB that clients take. */
const messageBytes = 1024 ** 2;

/** Blobs of any size as streams. An upload that was cut off leaves nothing and is not resumed. */
export function createByteStream(serving: Serving): ServiceImpl<typeof ByteStream> {
  return {
    async *read(request, context) {
      const name = parseReadName(request.resourceName);
      const { space } = await enter(serving, context, { instance: name.instance, right: 'read' });
      const range = rangeOf(name, request);
      for await (const data of gathered(await openContent(serving, space, name, range))) {
        serving.metrics.sent('reapi', space.name, data.length);
        yield { data };
      }
    },

    async write(requests, context) {
      const messages = requests[Symbol.asyncIterator]();
      const first = await messages.next();
      if (first.done) throw invalid('an upload without a message');
      const name = parseWriteName(first.value.resourceName);
      const { space, writer } = await enter(serving, context, { instance: name.instance, right: 'write' });
      const [isThere] = await space.present([name.blob]);
      if (isThere) {
        await drain(messages, first.value);
        return { committedSize: BigInt(name.blob.size) };
      }
      const upload = await space.upload({ writer, ...name.blob });
      try {
        await receive(upload, { name, first: first.value, messages });
        await upload.commit();
      } finally {
        await upload.abort();
      }
      serving.metrics.received('reapi', space.name, name.blob.size);
      return { committedSize: BigInt(name.blob.size) };
    },

    async queryWriteStatus({ resourceName }, context) {
      const name = parseWriteName(resourceName);
      const { space } = await enter(serving, context, { instance: name.instance, right: 'write' });
      const [complete = false] = await space.present([name.blob]);
      return { committedSize: complete ? BigInt(name.blob.size) : 0n, complete };
    },
  };
}

/** undefined: the whole. Offsets and limits are those of the plain bytes. */
function rangeOf(
  { blob, compressor }: ResourceName,
  { readOffset, readLimit }: { readonly readOffset: bigint; readonly readLimit: bigint },
): CacheRange | 'empty' | undefined {
  if (readOffset < 0n || readOffset > BigInt(blob.size)) throw outOfRange(`offset ${readOffset} of ${blob.size} bytes`);
  if (readLimit < 0n) throw outOfRange(`a limit of ${readLimit} bytes`);
  if (readLimit > 0n && compressor !== 'identity') throw invalid('a limit on a compressed read');
  const start = Number(readOffset);
  if (start === blob.size) return 'empty';
  const end = readLimit > 0n ? Math.min(blob.size, start + Number(readLimit)) : blob.size;
  return start === 0 && end === blob.size ? undefined : { start, end: end - 1 };
}

async function openContent(
  serving: Serving,
  space: CacheNamespace,
  { blob, compressor }: ResourceName,
  range: CacheRange | 'empty' | undefined,
): Promise<Readable> {
  const content = await space.open(blob, range === 'empty' ? undefined : range);
  if (!content) {
    serving.metrics.miss('reapi', space.name);
    throw new ConnectError(`blob ${blob.sha256} of ${blob.size} bytes is not here`, Code.NotFound);
  }
  serving.metrics.hit('reapi', space.name);
  if (range === 'empty') content.stream.destroy();
  const plain = range === 'empty' ? Readable.from([], { objectMode: false }) : content.stream;
  return compressor === 'zstd' ? deflateStream(plain) : plain;
}

/** Small chunks together, large ones in pieces; a chunk that fits is passed on as it is. */
async function* gathered(stream: Readable): AsyncGenerator<Uint8Array> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at += messageBytes) {
      const part = chunk.subarray(at, at + messageBytes);
      if (size + part.length > messageBytes) {
        yield held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held, size);
        held = [];
        size = 0;
      }
      held.push(part);
      size += part.length;
    }
  }
  if (size > 0) yield Buffer.concat(held, size);
}

interface Incoming {
  readonly name: ResourceName;
  readonly first: WriteRequest;
  readonly messages: AsyncIterator<WriteRequest>;
}

/** Takes messages up to the one that says it is the last. */
async function receive(upload: CacheUpload, { name, first, messages }: Incoming): Promise<void> {
  const sink = name.compressor === 'zstd' ? inflateTo(name.blob.size, (chunk) => upload.write(chunk)) : undefined;
  let expected = 0n;
  let isFinished = false;
  try {
    for (let message = first, done = false; !done; ) {
      if (isFinished) throw invalid('a message after the one with finish_write');
      checkContinues(message, { resourceName: first.resourceName, expected, isPlain: !sink });
      if (message.data.length > 0) await (sink ?? upload).write(message.data);
      expected += BigInt(message.data.length);
      isFinished = message.finishWrite;
      const next = await messages.next();
      done = next.done === true;
      if (!next.done) message = next.value;
    }
    if (!isFinished) throw invalid(`the upload ended after ${expected} bytes without finish_write`);
    await sink?.end();
  } finally {
    sink?.abort();
  }
}

/** Offsets of compressed uploads mix units between clients, so that only those of plain ones are checked. */
function checkContinues(
  { resourceName, writeOffset }: WriteRequest,
  wanted: { readonly resourceName: string; readonly expected: bigint; readonly isPlain: boolean },
): void {
  if (resourceName !== '' && resourceName !== wanted.resourceName)
    throw invalid('the resource name changed on the way');
  if (wanted.isPlain && writeOffset !== wanted.expected) {
    throw invalid(`a message at offset ${writeOffset}, expected was ${wanted.expected}`);
  }
}

/**
 * Takes what a client sends although the blob is there. An answer before the end would be allowed, but clients that do not look for
 * one while they write see a reset stream.
 */
async function drain(messages: AsyncIterator<WriteRequest>, first: WriteRequest): Promise<void> {
  for (let last = first.finishWrite; !last; ) {
    const next = await messages.next();
    if (next.done) return;
    last = next.value.finishWrite;
  }
  await messages.next();
}

function outOfRange(message: string): ConnectError {
  return new ConnectError(message, Code.OutOfRange);
}
