import { describe, expect, it } from 'vitest';
import { type SegmentEntry, SegmentIndex } from './segment-index.js';

const entry = (n: number): SegmentEntry => ({
  kind: 'packed',
  sha256: n.toString(16).padStart(64, '0'),
  offset: n * 1000,
  size: n,
  usedAt: n * 60,
  sha1: n % 2 ? n.toString(16).padStart(16, 'a') : '',
  sha512: n.toString(16).padStart(16, 'b'),
});

describe('SegmentIndex', () => {
  it.each([0, 1, 2, 255, 256, 257, 1000])('of %d entries: takes more after it was read back', (count) => {
    const index = new SegmentIndex();
    const entries = Array.from({ length: count }, (_, n) => entry(n + 1));
    for (const one of entries) index.add(one);
    index.covered = count * 1000;
    const again = SegmentIndex.decode(index.encode());
    expect(again).toMatchObject({ count, covered: count * 1000 });
    const more = Array.from({ length: 300 }, (_, n) => entry(count + n + 1));
    for (const one of more) again?.add(one);
    expect([...(again?.entries() ?? [])]).toEqual([...entries, ...more]);
  });

  it('that is damaged anywhere is not taken', () => {
    const index = new SegmentIndex();
    index.add(entry(1));
    const bytes = index.encode();
    for (let at = 0; at < bytes.length; at++) {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ 1;
      expect(SegmentIndex.decode(copy), `byte ${at}`).toBeUndefined();
      expect(SegmentIndex.decode(bytes.subarray(0, at)), `${at} bytes`).toBeUndefined();
    }
  });
});
