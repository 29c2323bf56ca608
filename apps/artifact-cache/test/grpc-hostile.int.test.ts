import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Capabilities,
  ContentAddressableStorage,
} from '../src/gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { blobOf, noise } from './blobs.js';
import { createGrpcScene, type GrpcScene } from './grpc-scene.js';

const capabilities = '/build.bazel.remote.execution.v2.Capabilities/GetCapabilities';
const write = '/google.bytestream.ByteStream/Write';

let scene: GrpcScene;
let session: ClientHttp2Session;
beforeAll(async () => {
  scene = await createGrpcScene({ anonymous: 'write' });
  session = connect(`http://127.0.0.1:${scene.port}`);
  session.on('error', () => undefined);
});
afterAll(async () => {
  session.destroy();
  await scene[Symbol.asyncDispose]();
});

/** Sends bytes as they are; the grpc-status that came, in header or trailer, else how the stream ended. */
async function send(
  path: string,
  body: Uint8Array | undefined,
  headers: OutgoingHttpHeaders = {},
): Promise<number | string> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let found: unknown;
  stream.on('response', (fields) => {
    found ??= fields['grpc-status'] ?? (fields[':status'] === 200 ? undefined : `HTTP ${fields[':status']}`);
  });
  stream.on('trailers', (fields) => {
    found ??= fields['grpc-status'];
  });
  stream.on('error', () => undefined);
  stream.resume();
  if (body === undefined) stream.close(constants.NGHTTP2_CANCEL);
  else stream.end(body);
  await once(stream, 'close');
  return found === undefined ? 'cut' : Number.isNaN(Number(found)) ? String(found) : Number(found);
}

/** A frame of gRPC's: flag, length, bytes. */
function frame(bytes: Uint8Array, { flag = 0, length = bytes.length } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}

async function isWell(): Promise<void> {
  expect(await scene.client().unary(Capabilities.method.getCapabilities, {})).toMatchObject({ code: 0 });
}

describe('what no client sends', () => {
  it.each<[string, string, Uint8Array | undefined, OutgoingHttpHeaders, readonly (number | string)[]]>([
    ['a method that is not there', '/no.such.Service/Method', frame(Buffer.alloc(0)), {}, [status.UNIMPLEMENTED]],
    ['a path with a query', `${capabilities}?x=1`, frame(Buffer.alloc(0)), {}, [0]],
    ['no message', capabilities, Buffer.alloc(0), {}, [status.UNIMPLEMENTED, status.INVALID_ARGUMENT, status.INTERNAL]],
    ['half a frame', capabilities, Buffer.from([0, 0, 0]), {}, [status.INVALID_ARGUMENT, status.INTERNAL]],
    [
      'less than the length says',
      capabilities,
      frame(Buffer.from('abc'), { length: 100 }),
      {},
      [status.INVALID_ARGUMENT, status.INTERNAL],
    ],
    [
      'a message of 4 GiB',
      capabilities,
      frame(Buffer.from('abc'), { length: 0xffffffff }),
      {},
      [status.RESOURCE_EXHAUSTED],
    ],
    [
      'no protobuf',
      capabilities,
      frame(Buffer.from([0x0a, 0xff, 0xff])),
      {},
      [status.INVALID_ARGUMENT, status.INTERNAL],
    ],
    [
      'text that is no UTF-8',
      capabilities,
      frame(Buffer.from([0x0a, 0x01, 0xff])),
      {},
      [0, status.INVALID_ARGUMENT, status.INTERNAL],
    ],
    [
      'a compressed frame without saying how',
      capabilities,
      frame(Buffer.from('abc'), { flag: 1 }),
      {},
      [status.INTERNAL],
    ],
    [
      'a compression that is not spoken',
      capabilities,
      frame(Buffer.from('abc'), { flag: 1 }),
      { 'grpc-encoding': 'lzma' },
      [status.UNIMPLEMENTED],
    ],
    [
      'a frame that is no gzip',
      capabilities,
      frame(Buffer.from('abc'), { flag: 1 }),
      { 'grpc-encoding': 'gzip' },
      [status.INVALID_ARGUMENT, status.INTERNAL],
    ],
    [
      'a time that is none',
      capabilities,
      frame(Buffer.alloc(0)),
      { 'grpc-timeout': 'soon' },
      [status.INVALID_ARGUMENT],
    ],
    ['another subtype', capabilities, frame(Buffer.alloc(0)), { 'content-type': 'application/grpc+xml' }, ['HTTP 415']],
    ['a name that is none', write, frame(Buffer.from([0x0a, 0x01, 0x2f])), {}, [status.INVALID_ARGUMENT]],
    ['another verb', capabilities, Buffer.alloc(0), { ':method': 'PUT' }, ['HTTP 405']],
    [
      'an authority that is none',
      capabilities,
      frame(Buffer.alloc(0)),
      { ':authority': '[' },
      ['cut', status.INVALID_ARGUMENT],
    ],
    [
      'credentials that cannot be read',
      capabilities,
      frame(Buffer.alloc(0)),
      { authorization: 'Basic %%%' },
      [status.UNAUTHENTICATED],
    ],
    ['nothing but a reset', capabilities, undefined, {}, ['cut']],
  ])('%s', async (_name, path, body, headers, expected) => {
    expect(expected).toContain(await send(path, body, headers));
    await isWell();
  });

  it('bytes that have no rule', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const body = noise(1 + ((seed * 37) % 300), `seed ${seed}`);
      for (const path of [capabilities, write, `/${ContentAddressableStorage.typeName}/BatchUpdateBlobs`]) {
        expect(await send(path, frame(body))).not.toBe(status.UNKNOWN);
        await send(path, body);
      }
    }
    await isWell();
  });

  it('a gzip bomb', async () => {
    const { gzipSync } = await import('node:zlib');
    const bomb = gzipSync(Buffer.alloc(64 * 1024 ** 2));
    expect(await send(capabilities, frame(bomb, { flag: 1 }), { 'grpc-encoding': 'gzip' })).toBe(
      status.RESOURCE_EXHAUSTED,
    );
    await isWell();
  });
});

describe('many at once', () => {
  it('are answered each', async () => {
    const client = scene.client();
    const blobs = Array.from({ length: 300 }, (_, index) => blobOf(`blob ${index}`));
    const { batchUpdateBlobs, batchReadBlobs } = ContentAddressableStorage.method;
    const stored = await Promise.all(
      blobs.map(({ digest, bytes: data }) => client.unary(batchUpdateBlobs, { requests: [{ digest, data }] })),
    );
    expect(stored.every(({ answer }) => answer?.responses[0]?.status?.code === 0)).toBe(true);
    const read = await Promise.all(blobs.map(({ digest }) => client.unary(batchReadBlobs, { digests: [digest] })));
    expect(read.map(({ answer }) => Buffer.from(answer?.responses[0]?.data ?? []).toString())).toEqual(
      blobs.map(({ bytes }) => Buffer.from(bytes).toString()),
    );
  });
});
