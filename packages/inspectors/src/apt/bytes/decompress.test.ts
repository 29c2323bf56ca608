import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { unreadXzSamples, xzBomb, xzPlain, xzSamples } from '../../../test/apt-captured.js';
import { chunked } from '../../../test/fakes.js';
import { FormatProblem } from '../format-problem.js';
import { decompress, decompressAny, sniffCompression } from './decompress.js';
import { decodeXz } from './xz.js';

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

const any = (bytes: Uint8Array, maxBytes = 1 << 20, size?: number) =>
  collect(decompressAny(chunked(bytes, size), { maxBytes }));
const fromBase64 = (text: string) => Buffer.from(text, 'base64');

describe('decompressAny', () => {
  const text = 'Package: hello\n'.repeat(1000);
  it.each<[string, Uint8Array]>([
    ['plain', Buffer.from(text)],
    ['gzip', gzipSync(text)],
    ['two gzip members', Buffer.concat([gzipSync(text.slice(0, 100)), gzipSync(text.slice(100))])],
    ['zstd', zstdCompressSync(text)],
  ])('reads %s', async (_name, bytes) => {
    expect((await any(bytes)).toString()).toBe(text);
    expect((await any(bytes, text.length)).toString()).toBe(text);
    expect((await any(bytes, 1 << 20, 1)).toString()).toBe(text);
  });

  it.each(Object.entries(xzSamples))('reads xz with %s', async (_name, base64) => {
    expect((await any(fromBase64(base64))).toString()).toBe(xzPlain);
    expect((await any(fromBase64(base64), 1 << 20, 1)).toString()).toBe(xzPlain);
  });

  it('reads nothing as nothing', async () => {
    expect(await any(Buffer.alloc(0))).toHaveLength(0);
  });

  it.each(Object.entries(unreadXzSamples))('refuses xz with %s', async (_name, base64) => {
    await expect(any(fromBase64(base64))).rejects.toThrow(FormatProblem);
  });

  it.each<[string, Uint8Array]>([
    ['gzip', gzipSync(Buffer.alloc(16 << 20))],
    ['zstd', zstdCompressSync(Buffer.alloc(16 << 20))],
    ['xz', fromBase64(xzBomb)],
    ['plain', Buffer.alloc(2 << 20, 'a')],
  ])('stops at the limit: %s', async (_name, bytes) => {
    await expect(any(bytes)).rejects.toThrow(/more than 1048576 bytes/);
  });

  const whole = {
    gzip: gzipSync(text),
    zstd: zstdCompressSync(text),
    xz: fromBase64(xzSamples['one block']),
    'xz of three blocks': fromBase64(xzSamples['three blocks']),
  };
  it.each(Object.entries(whole))('refuses %s that is cut off anywhere', async (_name, bytes) => {
    for (const length of [6, 10, 20, bytes.length >> 1, bytes.length - 9, bytes.length - 1]) {
      await expect(any(bytes.subarray(0, length)), `${length} bytes`).rejects.toThrow(FormatProblem);
    }
  });

  it.each(Object.entries(whole))('never takes changed %s for other content', async (name, bytes) => {
    const good = await any(bytes);
    for (let at = 7; at < bytes.length; at += Math.max(1, Math.floor(bytes.length / 40))) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x20;
      const found = await any(changed).catch((error: unknown) => error);
      // gzip's name and time, and zstd without checksum, do not protect themselves; the index's digest does.
      if (!(found instanceof FormatProblem) && name.startsWith('xz')) expect(found).toEqual(good);
      expect(Buffer.isBuffer(found) || found instanceof FormatProblem).toBe(true);
    }
  });

  it.each<[string, string | Buffer]>([
    ['lz4', Buffer.from('04224d18', 'hex')],
    ['lzma', Buffer.from('5d00008000ffff', 'hex')],
  ])('names %s, which is not read', (name, bytes) => {
    expect(() => sniffCompression(Buffer.from(bytes))).toThrow(name);
  });
});

describe('decodeXz', () => {
  const bytes = fromBase64(xzSamples['one block']);
  const bomb = fromBase64(xzBomb);

  it('serves more streams than there are decoders at the same time', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => collect(decodeXz(chunked(bytes)))));
    expect(all.every((one) => one.toString() === xzPlain)).toBe(true);
  });

  it('goes on after streams that were broken off, failed or aborted', async () => {
    for (let round = 0; round < 6; round += 1) {
      for await (const _ of decodeXz(chunked(bomb))) break;
      await expect(collect(decodeXz(chunked(Buffer.from('\xfd7zXZ\0nonsense', 'latin1'))))).rejects.toThrow(
        FormatProblem,
      );
      const abort = new AbortController();
      const aborted = collect(decodeXz(chunked(bomb), abort.signal));
      abort.abort(new Error('enough'));
      await expect(aborted).rejects.toThrow('enough');
      expect((await collect(decodeXz(chunked(bytes)))).toString()).toBe(xzPlain);
    }
  });

  it('hands on what its source throws', async () => {
    async function* failing() {
      yield bytes.subarray(0, 30);
      throw new Error('disk on fire');
    }
    await expect(collect(decodeXz(failing()))).rejects.toThrow('disk on fire');
    await expect(collect(decompress(failing(), { compression: 'gz', maxBytes: 10 }))).rejects.toThrow();
    expect((await collect(decodeXz(chunked(bytes)))).toString()).toBe(xzPlain);
  });

  it('does not wait in the queue when it is aborted', async () => {
    const open = Array.from({ length: 4 }, () => decodeXz(chunked(bomb)));
    for (const one of open) await Promise.race([one.next(), new Promise((resolve) => setTimeout(resolve, 20))]);
    const abort = new AbortController();
    const waiting = Array.from({ length: 3 }, () => collect(decodeXz(chunked(bytes), abort.signal)));
    setTimeout(() => abort.abort(new Error('enough')), 10);
    await Promise.allSettled(waiting);
    await Promise.all(open.map((one) => one.return(undefined)));
    expect((await collect(decodeXz(chunked(bytes)))).toString()).toBe(xzPlain);
  });
});
