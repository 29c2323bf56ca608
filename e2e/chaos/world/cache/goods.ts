import { createHash } from 'node:crypto';
import type { Chance } from '../chance.js';

/** Bytes by their sha256. */
export interface CacheGood {
  readonly sha256: string;
  readonly bytes: Buffer;
}

/** What entries are made of: files that many of them share, and a value of each one's own. */
export interface CacheGoods {
  /** Files for the next entry, up to four. */
  files(chance: Chance): readonly CacheGood[];
  /** A value that was never made before. */
  value(chance: Chance): CacheGood;
}

export function goodOf(bytes: Buffer): CacheGood {
  return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes };
}

/** @param largest bytes of the largest file */
export function createCacheGoods(seed: Chance, { files = 40, largest = 300_000 } = {}): CacheGoods {
  const shared = Array.from({ length: files }, () => goodOf(randomBytes(seed, sizeOf(seed, largest))));
  let made = 0;
  return {
    files: (chance) => Array.from({ length: chance.between(0, 5) }, () => chance.of(shared)),
    value: (chance) =>
      goodOf(Buffer.concat([Buffer.from(`value ${++made}\n`), randomBytes(chance, chance.between(0, 4_000))])),
  };
}

/** Mostly small, some large. */
function sizeOf(chance: Chance, largest: number): number {
  return chance.happens(0.6) ? chance.between(1, 2_000) : chance.between(2_000, largest);
}

/** Half of it repeats itself, so that it may be worth compressing. */
function randomBytes(chance: Chance, size: number): Buffer {
  const bytes = Buffer.alloc(size, 'the same again and again; ');
  for (let at = chance.between(0, 7); at < size; at += 7) bytes[at] = chance.between(0, 256);
  return bytes;
}
