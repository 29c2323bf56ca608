import { describe, expect, it } from 'vitest';
import {
  decodeHeader,
  deletedHeader,
  encodeHeader,
  hashBody,
  headerBytes,
  headerStart,
  recordBytes,
} from './record.js';
import { SegmentIndex } from './segment-index.js';

const tag = Buffer.from('0011223344556677', 'hex');
const header = {
  kind: 'packed',
  size: 2 ** 48 - 1,
  digests: hashBody(Buffer.from('body')),
  usedAt: 1_800_000_000,
} as const;

describe('record header', () => {
  it('survives encoding', () => {
    const bytes = encodeHeader(header, tag);
    expect(bytes.length).toBe(headerBytes);
    expect(decodeHeader(bytes)).toEqual(header);
    expect(bytes.subarray(0, 12)).toEqual(headerStart(tag));
    expect(decodeHeader(encodeHeader({ ...header, kind: 'file', size: 0 }, tag))).toMatchObject({
      kind: 'file',
      size: 0,
    });
    const { sha256 } = header.digests;
    expect(decodeHeader(encodeHeader(deletedHeader(sha256), tag))).toMatchObject({
      kind: 'deleted',
      digests: { sha256 },
    });
  });

  it('notices every flipped bit and every missing byte', () => {
    const bytes = encodeHeader(header, tag);
    for (let bit = 0; bit < headerBytes * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(decodeHeader(flipped)).toBeUndefined();
    }
    for (let length = 0; length < headerBytes; length++) {
      expect(decodeHeader(bytes.subarray(0, length))).toBeUndefined();
    }
  });

  it('counts the body of packed records only', () => {
    expect(recordBytes('packed', 10)).toBe(headerBytes + 10);
    expect(recordBytes('file', 10)).toBe(headerBytes);
    expect(recordBytes('deleted', 0)).toBe(headerBytes);
  });
});

describe('segment index', () => {
  const index = new SegmentIndex();
  const entries = Array.from({ length: 1_000 }, (_, at) => ({
    kind: (['packed', 'file', 'deleted'] as const)[at % 3] ?? 'packed',
    sha256: hashBody(Buffer.from(`${at}`)).sha256,
    offset: at * 4_000_000,
    size: at * 2 ** 37,
    usedAt: at,
    sha1: '',
    sha512: 'ab'.repeat(8),
  }));
  for (const entry of entries) index.add(entry);
  index.covered = 2 ** 40;

  it('survives encoding and goes on from there', () => {
    const decoded = SegmentIndex.decode(index.encode());
    expect(decoded?.covered).toBe(2 ** 40);
    expect([...(decoded?.entries() ?? [])]).toEqual(entries);
    decoded?.add(entries[0] as (typeof entries)[number]);
    expect(decoded?.count).toBe(1_001);
    expect([...(SegmentIndex.decode(decoded?.encode() ?? Buffer.alloc(0))?.entries() ?? [])].at(-1)).toEqual(
      entries[0],
    );
  });

  it('notices damage', () => {
    const bytes = index.encode();
    for (let at = 0; at < bytes.length; at += 101) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ 4;
      expect(SegmentIndex.decode(flipped)).toBeUndefined();
    }
    for (const length of [0, 1, 19, 20, bytes.length - 64, bytes.length - 1]) {
      expect(SegmentIndex.decode(bytes.subarray(0, length))).toBeUndefined();
    }
    expect(SegmentIndex.decode(Buffer.concat([bytes, Buffer.alloc(64)]))).toBeUndefined();
  });
});
