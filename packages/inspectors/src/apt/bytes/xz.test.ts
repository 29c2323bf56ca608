import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { unreadXzSamples, xzBomb } from '../../../test/apt-captured.js';
import { chunked } from '../../../test/fakes.js';
import { storedXz } from '../../../test/stored-xz.js';
import { FormatProblem } from '../format-problem.js';
import { decodeXz } from './xz.js';

const plain = randomBytes(1_500_000);
const large = storedXz(plain);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

/** Large enough for the machine's own `xz`, which is there or not: what comes out is the same. */
describe('decodeXz of large files', () => {
  it.each([1 << 20, 65_536, 777])('reads them from chunks of %s bytes', async (size) => {
    expect(sha256(await collect(decodeXz(chunked(large, size))))).toBe(sha256(plain));
  });

  it('reads several streams', async () => {
    const both = await collect(decodeXz(chunked(Buffer.concat([large, large]), 65_536)));
    expect(sha256(both)).toBe(sha256(Buffer.concat([plain, plain])));
  });

  it.each([300_000, large.length >> 1, large.length - 20, large.length - 1])(
    'refuses one cut off after %s bytes',
    async (length) => {
      await expect(collect(decodeXz(chunked(large.subarray(0, length), 65_536)))).rejects.toThrow(FormatProblem);
    },
  );

  it.each([40, 400_000, large.length - 40])('refuses one changed at %s', async (at) => {
    const changed = Buffer.from(large);
    changed[at] = (changed[at] ?? 0) ^ 0x40;
    await expect(collect(decodeXz(chunked(changed, 65_536)))).rejects.toThrow(FormatProblem);
  });

  it('refuses what follows the last stream', async () => {
    const more = Buffer.concat([large, Buffer.from('and more')]);
    await expect(collect(decodeXz(chunked(more, 65_536)))).rejects.toThrow(FormatProblem);
  });

  it.each(Object.entries(unreadXzSamples))('refuses %s in front of many bytes all the same', async (_name, base64) => {
    const bytes = Buffer.concat([Buffer.from(base64, 'base64'), large]);
    await expect(collect(decodeXz(chunked(bytes, 65_536)))).rejects.toThrow(FormatProblem);
  });

  it('ends when it is broken off, aborted, or its source fails, and goes on with others', async () => {
    for await (const _ of decodeXz(chunked(large, 65_536))) break;
    const abort = new AbortController();
    const rest = decodeXz(chunked(large, 65_536), abort.signal);
    await rest.next();
    abort.abort(new Error('enough'));
    await expect(collect(rest)).rejects.toThrow('enough');
    async function* failing() {
      yield large.subarray(0, 400_000);
      throw new Error('disk on fire');
    }
    await expect(collect(decodeXz(failing()))).rejects.toThrow('disk on fire');
    expect(sha256(await collect(decodeXz(chunked(large, 65_536))))).toBe(sha256(plain));
  });

  it('serves more than run at a time', async () => {
    const all = await Promise.all(Array.from({ length: 9 }, () => collect(decodeXz(chunked(large, 65_536)))));
    expect(new Set(all.map(sha256))).toEqual(new Set([sha256(plain)]));
  });

  it('gives a bomb out in pieces', async () => {
    // Padded with a stream of its own, so that the whole is large.
    const bomb = Buffer.concat([Buffer.from(xzBomb, 'base64'), large]);
    let largest = 0;
    for await (const chunk of decodeXz(chunked(bomb, 65_536))) largest = Math.max(largest, chunk.length);
    expect(largest).toBeLessThanOrEqual(1 << 20);
  });
});
