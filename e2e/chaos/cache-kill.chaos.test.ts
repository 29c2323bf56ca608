import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { cacheNamespaces, cacheTruth } from './world/cache/namespaces.js';
import { createCacheServer } from './world/cache/server.js';
import { type CacheStorm, createCacheStorm } from './world/cache/storm.js';
import { chaosSeed } from './world/chance.js';
import { roundsOf } from './world/length.js';

/** SQLite and files: `kill -9` while clients push and pull, and while names and blobs are evicted and collected. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(3);
const livesInARound = 10;
let storm: CacheStorm;

beforeAll(async () => {
  const server = keep(await createCacheServer({ namespaces: cacheNamespaces }));
  storm = createCacheStorm({ server, namespaces: cacheTruth, seed });
});

describe(`kill -9 of artifact-cache over SQLite and files (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it(`${rounds} rounds of ${livesInARound} lives: the history is as it should be`, async () => {
    for (let round = 1; round <= rounds; round++) {
      for (let life = 0; life < livesInARound; life++) await storm.live();
      await storm.check();
    }
    expect(storm.kills).toBeGreaterThan(rounds * livesInARound * 0.7);
  });
});
