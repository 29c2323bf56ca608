import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { contentCodingOf, decodeBytes, decodeContent } from './content-coding.js';

it.each([
  [undefined, undefined],
  ['', undefined],
  ['identity', undefined],
  ['GZIP', 'gzip'],
  ['gzip, identity', 'gzip'],
  [' br ,gzip', 'br, gzip'],
])('contentCodingOf(%j)', (header, expected) => {
  expect(contentCodingOf(header)).toBe(expected);
});

describe('decodeBytes', () => {
  it('is bounded at exactly the limit', async () => {
    const packed = gzipSync(Buffer.alloc(1000));
    expect((await decodeBytes(packed, 'gzip', 1000)).byteLength).toBe(1000);
    await expect(decodeBytes(packed, 'gzip', 999)).rejects.toMatchObject({ code: 'PROXY_EXPANSION_LIMIT' });
  });

  it('passes identity without a copy', async () => {
    const bytes = Buffer.from('x');
    expect(await decodeBytes(bytes, undefined, 0)).toBe(bytes);
  });

  it.each([
    ['gzip', Buffer.from('not gzip')],
    ['gzip', gzipSync('x'.repeat(100)).subarray(0, 15)],
    ['br', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['zstd', Buffer.from('not zstd')],
    ['deflate', Buffer.from('not deflate')],
  ])('%s of something else: an error, not an end', async (coding, bytes) => {
    await expect(decodeBytes(bytes, coding, 1000)).rejects.toMatchObject({ code: 'PROXY_CODING_INVALID' });
  });
});

describe('decodeContent', () => {
  it('destroys its source when it is destroyed', async () => {
    const source = new Readable({ read() {} });
    const stream = decodeContent(source, 'gzip, br', 1000);
    stream.destroy();
    await new Promise((resolve) => source.once('close', resolve));
    expect(source.destroyed).toBe(true);
  });

  it('hands an error of its source on unchanged', async () => {
    const broken = Object.assign(new Error('corrupt'), { code: 'BLOB_CORRUPT', hint: undefined });
    const source = new Readable({
      read() {
        this.destroy(broken);
      },
    });
    const reading = (async () => {
      for await (const _part of decodeContent(source, 'gzip', 1000));
    })();
    await expect(reading).rejects.toBe(broken);
  });
});
