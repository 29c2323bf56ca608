import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fakeArtifact } from '../../test/fakes.js';
import { sampleSnapYaml, squashfsSample } from '../../test/squashfs-captured.js';
import { ArchiveError } from '../archive/expand.js';
import { decompressLzo } from './lzo.js';
import { readSquashfsFile } from './read-file.js';

const options = { maxBytes: 4096, signal: new AbortController().signal };
const read = (body: Buffer, path = 'meta/snap.yaml', more: Partial<typeof options> = {}) =>
  readSquashfsFile(fakeArtifact('https://registry.example/x.snap', { body }), path, { ...options, ...more });
const changed = (change: (bytes: Buffer) => void, bytes = squashfsSample('gzip')) => {
  change(bytes);
  return bytes;
};

describe('readSquashfsFile', () => {
  it.each(['gzip', 'xz', 'lzo', 'zstd'] as const)('reads a file compressed with %s', async (compressor) => {
    expect((await read(squashfsSample(compressor)))?.toString()).toBe(sampleSnapYaml);
    expect((await read(squashfsSample(compressor), 'bin/hello'))?.toString()).toBe('#!/bin/sh\n');
  });

  it.each(['meta', 'none', 'meta/none', 'meta/snap.yaml/x', 'none/snap.yaml', ''])('has no file %j', async (path) =>
    expect(await read(squashfsSample('gzip'), path)).toBeUndefined(),
  );

  it.each([
    ['nothing', Buffer.alloc(0), /no squashfs/],
    ['something else', Buffer.alloc(4096, 'x'), /no squashfs/],
    ['half of it', squashfsSample('gzip').subarray(0, 200), /lies outside|ends too early|outside of/],
    ['another version', changed((bytes) => bytes.writeUInt16LE(3, 28)), /version 3\.0/],
    ['huge blocks', changed((bytes) => bytes.writeUInt32LE(1 << 30, 12)), /blocks of 1073741824/],
    ['a block size that is two', changed((bytes) => bytes.writeUInt16LE(5, 22)), /blocks of/],
    ['tables behind its end', changed((bytes) => bytes.writeBigUInt64LE(1n << 62n, 64)), /outside of it/],
    ['an inode behind its end', changed((bytes) => bytes.writeBigUInt64LE(0xffff_ffff_0000n, 32)), /outside/],
    ['a compressor that is not read', squashfsSample('lz4'), /lz4, which is not read/],
    ['a compressor that nobody knows', changed((bytes) => bytes.writeUInt16LE(9, 20)), /compressor 9/],
  ])('refuses %s', async (_name, bytes, message) => {
    await expect(read(bytes)).rejects.toThrow(ArchiveError);
    await expect(read(bytes)).rejects.toThrow(message);
  });

  it('refuses a file that is too long, and heeds the signal', async () => {
    await expect(read(squashfsSample('gzip'), 'meta/snap.yaml', { maxBytes: 10 })).rejects.toThrow(/allowed are 10/);
    const signal = AbortSignal.abort(new Error('over'));
    await expect(read(squashfsSample('gzip'), 'meta/snap.yaml', { signal })).rejects.toThrow('over');
  });

  it.each(['gzip', 'lzo', 'zstd'] as const)('never hangs or breaks on damaged images (%s)', (compressor) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(squashfsSample(compressor).length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const bytes = squashfsSample(compressor);
          for (const [at, value] of changes) bytes[at] = value;
          const found = await read(bytes).catch((error: unknown) => error);
          expect(found === undefined || found instanceof Buffer || found instanceof ArchiveError, String(found)).toBe(
            true,
          );
        },
      ),
      { numRuns: 300 },
    ),
  );
});

describe('decompressLzo', () => {
  it('reads literals and overlapping copies', () => {
    // 4 literals, a match of 8 at distance 4, the end.
    const stream = Buffer.from([17 + 4, 0x61, 0x62, 0x63, 0x64, 32 + 6, 3 << 2, 0, 17, 0, 0]);
    expect(decompressLzo(stream, 100).toString()).toBe('abcdabcdabcd');
  });

  it.each([
    ['nothing', []],
    ['a copy from before the beginning', [17 + 4, 1, 2, 3, 4, 32 + 6, 40, 1, 17, 0, 0]],
    ['literals that are not there', [17 + 200, 1, 2]],
    ['an endless length', [0, ...Array(1000).fill(0)]],
    ['bytes behind its end', [17 + 4, 1, 2, 3, 4, 17, 0, 0, 9]],
    ['too much', [17 + 4, 1, 2, 3, 4, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 17, 0, 0]],
  ])('refuses %s', (_name, bytes) => expect(() => decompressLzo(Buffer.from(bytes), 1000)).toThrow(ArchiveError));

  it('never breaks on any bytes', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(decompressLzo(bytes, 5000).length).toBeLessThanOrEqual(5000);
        } catch (error) {
          expect(error).toBeInstanceOf(ArchiveError);
        }
      }),
      { numRuns: 1000 },
    ));
});
