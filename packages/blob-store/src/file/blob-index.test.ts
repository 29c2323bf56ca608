import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { BlobIndex, type BlobLocation, type OtherDigests } from './blob-index.js';

const name = (at: number | string) => hash('sha256', `${at}`);
const location = (at: number): BlobLocation => ({
  place: at % 3 ? 'packed' : 'file',
  segment: at % 4_000_000_000,
  offset: (at * 977) % 4_294_967_295,
  size: at * 2 ** 40,
  usedAt: at,
});

const others = (at: number): OtherDigests => ({
  sha1: at % 5 ? hash('sha1', `${at % 700}`) : '',
  sha512: hash('sha512', `${at}`),
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
        index.set(key, location(step), others(step));
        model.set(key, location(step));
      } else {
        expect(index.delete(key)).toBe(model.delete(key));
      }
    }
    expect(index.size).toBe(model.size);
    expect(index.bytes).toBe([...model.values()].reduce((sum, { size }) => sum + size, 0));
    expect([...index.names()].sort()).toEqual([...model.keys()].sort());
    for (let at = 0; at < 8_000; at++) expect(index.get(name(at))).toEqual(model.get(name(at)));
  });

  it('tells apart names that differ in one bit only', () => {
    const index = new BlobIndex();
    const zero = '0'.repeat(64);
    const variants = Array.from({ length: 64 }, (_, at) => `${zero.slice(0, at)}1${zero.slice(at + 1)}`);
    for (const [at, variant] of variants.entries()) index.set(variant, location(at), others(at));
    expect(index.get(zero)).toBeUndefined();
    for (const [at, variant] of variants.entries()) expect(index.get(variant)).toEqual(location(at));
    for (const variant of variants) expect(index.delete(variant)).toBe(true);
    expect(index.size).toBe(0);
    expect([...index.names()]).toEqual([]);
  });

  it('finds blobs by their other digests', () => {
    const index = new BlobIndex();
    const model = new Map<string, OtherDigests>();
    for (let step = 0; step < 20_000; step++) {
      const key = name((step * 7919) % 3_000);
      if (step % 3 === 2) {
        index.delete(key);
        model.delete(key);
      } else {
        index.set(key, location(step), others(step));
        model.set(key, others(step));
      }
    }
    expect(model.size).toBeGreaterThan(500);
    for (const [key, { sha1, sha512 }] of model) {
      expect(index.candidates('sha512', sha512)).toContain(key);
      if (sha1) expect(index.candidates('sha1', sha1)).toContain(key);
    }
    const [first] = model.keys();
    const before = index.take(first as string);
    expect(index.candidates('sha512', model.get(first as string)?.sha512 as string)).not.toContain(first);
    index.restore(first as string, before as NonNullable<typeof before>);
    expect(index.candidates('sha512', model.get(first as string)?.sha512 as string)).toContain(first);
    let strangers = 0;
    for (let at = 0; at < 10_000; at++) strangers += index.candidates('sha512', hash('sha512', `other ${at}`)).length;
    expect(strangers).toBeLessThan(5);
  });

  it('keeps extreme values', () => {
    const index = new BlobIndex();
    const extreme = {
      place: 'file',
      segment: 4_294_967_295,
      offset: 4_294_967_295,
      size: 2 ** 48 - 1,
      usedAt: 2 ** 32 - 1,
    } as const;
    index.set('f'.repeat(64), extreme, others(1));
    expect(index.get('f'.repeat(64))).toEqual(extreme);
    expect([...index.names()]).toEqual(['f'.repeat(64)]);
  });
});
