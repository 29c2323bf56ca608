import { describe, expect, it } from 'vitest';
import {
  encodeReceiveFrame,
  maxReceivePayload,
  parseReceivePayload,
  readReceiveFrames,
  receiveHelloSchema,
} from './cache-receive.js';

async function* chunksOf(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function frames(bytes: Uint8Array, size = 64 * 1024) {
  const found: [string, string][] = [];
  for await (const { type, payload } of readReceiveFrames(chunksOf(bytes, size)))
    found.push([type, payload.toString()]);
  return found;
}

const header = (...bytes: number[]) => Buffer.from(bytes);
const stream = Buffer.concat([
  encodeReceiveFrame('hello', { client: 'c', namespace: 'main' }),
  encodeReceiveFrame('data', Buffer.from('bytes')),
  encodeReceiveFrame('data', Buffer.alloc(0)),
  encodeReceiveFrame('done'),
]);

describe('frames of receive', () => {
  it.each([1, 3, 7, 8, 9, 1000])('come out as they went in, in chunks of %i bytes', async (size) => {
    expect(await frames(stream, size)).toEqual([
      ['hello', '{"client":"c","namespace":"main"}'],
      ['data', 'bytes'],
      ['data', ''],
      ['done', '{}'],
    ]);
  });

  it('may have the largest payload and no larger one', async () => {
    const [found] = await frames(encodeReceiveFrame('data', Buffer.alloc(maxReceivePayload, 'x')));
    expect(found?.[1]).toHaveLength(maxReceivePayload);
    expect(() => encodeReceiveFrame('data', Buffer.alloc(maxReceivePayload + 1))).toThrow('at most');
  });

  it.each<[string, Buffer, string]>([
    ['what a shell prints', Buffer.from('Welcome to this machine!\n'), 'expected a frame, found'],
    ['another version', header(0x57, 0x42, 2, 1, 0, 0, 0, 0), 'version 2'],
    ['an unknown type', header(0x57, 0x42, 1, 63, 0, 0, 0, 0), 'type 63'],
    ['type 0', header(0x57, 0x42, 1, 0, 0, 0, 0, 0), 'type 0'],
    ['a payload of 4 GiB', header(0x57, 0x42, 1, 5, 255, 255, 255, 255), '4294967295'],
    ['half a header', header(0x57, 0x42, 1), 'middle of a frame'],
    ['a header alone', header(0x57, 0x42, 1, 5, 0, 0, 0, 1), 'middle of a frame'],
    ['half a payload', stream.subarray(0, 12), 'middle of a frame'],
  ])('refuses %s', async (_what, bytes, text) => {
    await expect(frames(bytes)).rejects.toThrow(text);
  });

  it.each<[string, Buffer]>([
    ['no JSON', Buffer.from('{')],
    ['another type', Buffer.from('[]')],
    ['an unknown key', Buffer.from('{"client":"c","namespace":"n","more":1}')],
    ['a missing key', Buffer.from('{"client":"c"}')],
  ])('refuses a hello with %s', (_what, payload) => {
    expect(() => parseReceivePayload({ type: 'hello', payload }, receiveHelloSchema)).toThrow(
      expect.objectContaining({ code: 'CONTRACT_DOCUMENT_INVALID' }),
    );
  });
});
