import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BlobIndex, type BlobLocation } from './blob-index.js';

const name = (at: number | string) => hash('sha256', `${at}`);
const location = (at: number): BlobLocation => ({
  place: at % 3 ? 'packed' : 'file',
  segment: at % 4_000_000_000,
  offset: (at * 977) % 4_294_967_295,
  size: at * 2 ** 40,
});

describe('BlobIndex', () => {
  it('behaves like a map under many changes', () => {
    const index = new BlobIndex();
    const model = new Map<string, BlobLocation>();
    let state = 12_345;
    const random = (limit: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state % limit;
    };
    for (let step = 0; step < 60_000; step++) {
      const key = name(random(8_000));
      if (random(5) < 3) {
        index.set(key, location(step));
        model.set(key, location(step));
      } else {
        expect(index.delete(key)).toBe(model.delete(key));
      }
    }
    expect(index.size).toBe(model.size);
    expect([...index.names()].sort()).toEqual([...model.keys()].sort());
    for (let at = 0; at < 8_000; at++) expect(index.get(name(at))).toEqual(model.get(name(at)));
  });

  it('tells apart names that differ in one bit only', () => {
    const index = new BlobIndex();
    const zero = '0'.repeat(64);
    const variants = Array.from({ length: 64 }, (_, at) => `${zero.slice(0, at)}1${zero.slice(at + 1)}`);
    for (const [at, variant] of variants.entries()) index.set(variant, location(at));
    expect(index.get(zero)).toBeUndefined();
    for (const [at, variant] of variants.entries()) expect(index.get(variant)).toEqual(location(at));
    for (const variant of variants) expect(index.delete(variant)).toBe(true);
    expect(index.size).toBe(0);
    expect([...index.names()]).toEqual([]);
  });

  it('keeps extreme values', () => {
    const index = new BlobIndex();
    const extreme = { place: 'file', segment: 4_294_967_295, offset: 4_294_967_295, size: 2 ** 48 - 1 } as const;
    index.set('f'.repeat(64), extreme);
    expect(index.get('f'.repeat(64))).toEqual(extreme);
    expect([...index.names()]).toEqual(['f'.repeat(64)]);
  });
});
