import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { cacheNamespaces, cacheTruth } from './world/cache/namespaces.js';
import { createCacheServer } from './world/cache/server.js';
import { type CacheStorm, createCacheStorm } from './world/cache/storm.js';
import { chaosSeed } from './world/chance.js';
import { roundsOf } from './world/length.js';
import { mountSmallDisk } from './world/small-disk.js';

/** The disk with index and blobs fills up and is freed again, while clients push and pull and the server dies. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(2);
const livesInARound = 6;
const endings = { running: 20, starting: 10, paused: 2, collecting: 15, gently: 3, struck: 50 };
let storm: CacheStorm;

beforeAll(async () => {
  const disk = keep(await mountSmallDisk('160m'));
  const server = keep(await createCacheServer({ dir: disk.path, namespaces: cacheNamespaces }));
  storm = createCacheStorm({ server, namespaces: cacheTruth, seed, endings, strike: disk.strike });
});

describe(`the disk is full, and artifact-cache dies (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it(`${rounds} rounds of ${livesInARound} lives: the history is as it should be`, async () => {
    for (let round = 1; round <= rounds; round++) {
      for (let life = 0; life < livesInARound; life++) await storm.live(life === 0 ? 'struck' : undefined);
      await storm.check();
    }
    expect(storm.strikes).toBeGreaterThanOrEqual(rounds);
  });
});
