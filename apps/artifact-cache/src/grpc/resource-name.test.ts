import { ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseReadName, parseWriteName } from './resource-name.js';

const hash = 'a'.repeat(64);
const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const uuid = '0f6a5b1c-0000-4000-8000-000000000000';

describe('names of what is read', () => {
  it.each([
    [`blobs/${hash}/12`, '', 'identity'],
    [`main/blobs/${hash}/12`, 'main', 'identity'],
    [`a/b/c/blobs/${hash}/12`, 'a/b/c', 'identity'],
    [`blobs/sha256/${hash}/12`, '', 'identity'],
    [`compressed-blobs/zstd/${hash}/12`, '', 'zstd'],
    [`a/compressed-blobs/zstd/sha256/${hash}/12`, 'a', 'zstd'],
    [`compressed-blobs/identity/${hash}/12`, '', 'identity'],
    [`${hash}/12`, '', 'identity'],
  ])('%s', (name, instance, compressor) => {
    expect(parseReadName(name)).toEqual({ instance, compressor, blob: { sha256: hash, size: 12 } });
  });

  it('may be of nothing', () => {
    expect(parseReadName(`blobs/${empty}/0`).blob).toEqual({ sha256: empty, size: 0 });
  });

  it.each([
    '',
    '/',
    'blobs',
    `blobs/${hash}`,
    `blobs/${hash}/`,
    `blobs/${hash}/12/`,
    `blobs/${hash}/12/more`,
    `blobs/${hash}/-1`,
    `blobs/${hash}/+1`,
    `blobs/${hash}/1e3`,
    `blobs/${hash}/0x10`,
    `blobs/${hash}/012`,
    `blobs/${hash}/ 12`,
    `blobs/${hash}/99999999999999999999`,
    `blobs/${hash}/0`,
    `blobs/${hash.toUpperCase()}/12`,
    `blobs/${hash.slice(1)}/12`,
    `blobs/blake3/${hash}/12`,
    `blobs/../${hash}/12`,
    `compressed-blobs/${hash}/12`,
    `compressed-blobs/brotli/${hash}/12`,
    `blob/${hash}/12`,
    `uploads/${uuid}/${hash}/12`,
    `${'a/'.repeat(2000)}blobs/${hash}/12`,
  ])('refuses %j', (name) => {
    expect(() => parseReadName(name)).toThrow(ConnectError);
  });
});

describe('names of what is written', () => {
  it.each([
    [`uploads/${uuid}/blobs/${hash}/12`, '', 'identity'],
    [`a/b/uploads/${uuid}/blobs/${hash}/12/some/file.txt`, 'a/b', 'identity'],
    [`uploads/${uuid}/compressed-blobs/zstd/${hash}/12/uploads/x/blobs/y/1`, '', 'zstd'],
    [`uploads/any/blobs/sha256/${hash}/12`, '', 'identity'],
    [`${hash}/12`, '', 'identity'],
  ])('%s', (name, instance, compressor) => {
    expect(parseWriteName(name)).toEqual({ instance, compressor, blob: { sha256: hash, size: 12 } });
  });

  it.each([
    `blobs/${hash}/12`,
    `uploads/${hash}/12`,
    `uploads//blobs/${hash}/12`,
    `uploads/${uuid}/blobs/${hash}`,
    `uploads/${uuid}/${hash}/12`,
    'uploads',
  ])('refuses %j', (name) => {
    expect(() => parseWriteName(name)).toThrow(ConnectError);
  });
});

it('any text is a name or refused as none', () => {
  const part = fc.oneof(
    fc.constantFrom('blobs', 'uploads', 'compressed-blobs', 'zstd', 'sha256', hash, '12', '', '..'),
    fc.string({ maxLength: 10 }),
  );
  const names = fc.array(part, { maxLength: 9 }).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(names, (name) => {
      for (const parse of [parseReadName, parseWriteName]) {
        try {
          expect(parse(name).blob.sha256).toMatch(/^[0-9a-f]{64}$/);
        } catch (cause) {
          expect(cause).toBeInstanceOf(ConnectError);
        }
      }
    }),
  );
});
