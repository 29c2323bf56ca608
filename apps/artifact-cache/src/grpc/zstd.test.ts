import { constants, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noise as noiseOf } from '../../test/blobs.js';
import { inflateBlob, inflateTo } from './zstd.js';

const { ZSTD_c_checksumFlag, ZSTD_c_compressionLevel } = constants;
const skippable = (bytes: Uint8Array) => {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a53);
  head.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
};

async function throughSink(data: Uint8Array, size: number, step: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const sink = inflateTo(size, async (chunk) => void parts.push(chunk));
  try {
    for (let at = 0; at < data.length; at += step) await sink.write(data.subarray(at, at + step));
    await sink.end();
  } finally {
    sink.abort();
  }
  return Buffer.concat(parts);
}

describe('zstd data', () => {
  it('of any number of frames is what they hold, however it is cut', { timeout: 60_000 }, async () => {
    const frame = fc.record({
      bytes: fc.oneof(
        fc.uint8Array({ maxLength: 400 }),
        fc.nat(50_000).map((size) => Buffer.alloc(size, 7)),
      ),
      checksum: fc.boolean(),
      level: fc.integer({ min: 1, max: 9 }),
      isSkipped: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 5 }), fc.integer({ min: 1, max: 300 }), async (frames, step) => {
        const data = Buffer.concat(
          frames.map(({ bytes, checksum, level, isSkipped }) => {
            const params = { [ZSTD_c_checksumFlag]: checksum ? 1 : 0, [ZSTD_c_compressionLevel]: level };
            return isSkipped ? skippable(bytes) : zstdCompressSync(bytes, { params });
          }),
        );
        const plain = Buffer.concat(frames.filter(({ isSkipped }) => !isSkipped).map(({ bytes }) => bytes));
        expect(plain.equals(await throughSink(data, plain.length, step))).toBe(true);
        expect(plain.equals(await inflateBlob(data, plain.length))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  const noise = noiseOf(300_000);
  const good = zstdCompressSync(noise);
  const lines = Buffer.from(Array.from({ length: 9000 }, (_, line) => `line ${line}`).join(' '));
  const damaged = zstdCompressSync(lines, { params: { [ZSTD_c_checksumFlag]: 1 } });
  damaged.fill(0xff, damaged.length - 100, damaged.length - 90);
  it.each<[string, Uint8Array, number]>([
    ['other bytes', noise, noise.length],
    ['half a frame', good.subarray(0, 1000), noise.length],
    ['a frame and a bit', Buffer.concat([good, good.subarray(0, 3)]), noise.length],
    ['a frame and other bytes', Buffer.concat([good, Buffer.from('more')]), noise.length],
    ['damage within', damaged, lines.length],
    ['very many empty frames', Buffer.concat(new Array(2000).fill(zstdCompressSync(Buffer.alloc(0)))), 100],
  ])('that is %s is refused', async (_name, data, size) => {
    await expect(throughSink(data, size, 4096)).rejects.toThrow(/zstd data/);
    await expect(inflateBlob(data, size)).rejects.toThrow(/zstd data/);
  });

  it('larger than announced costs no more than that', { timeout: 60_000 }, async () => {
    const bomb = zstdCompressSync(Buffer.alloc(200_000_000));
    await expect(inflateBlob(bomb, 1000)).rejects.toThrow(/zstd data/);
    let taken = 0;
    const sink = inflateTo(1000, async (chunk) => {
      taken += chunk.length;
      if (taken > 1000) throw new Error('too much');
    });
    await expect(sink.write(bomb).then(() => sink.end())).rejects.toThrow('too much');
    expect(taken).toBeLessThan(1_000_000);
  });
});
