import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { cacheNamespaces, cacheTruth } from './world/cache/namespaces.js';
import { createCacheServer } from './world/cache/server.js';
import { type CacheStorm, createCacheStorm } from './world/cache/storm.js';
import { chaosSeed, createChance } from './world/chance.js';
import { roundsOf } from './world/length.js';
import { startChaosS3 } from './world/s3.js';

/** Bodies in an S3 store that answers late, wrongly, half or not at all, and that dies as the server does. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(2);
const livesInARound = 6;
const endings = { running: 25, starting: 10, paused: 2, collecting: 10, gently: 3, struck: 50 };
let storm: CacheStorm;

beforeAll(async () => {
  const s3 = keep(await startChaosS3(createChance(seed, 's3')));
  const blobs = (dir: string) => `${s3.url}&cache-dir=${encodeURIComponent(join(dir, 'blobs'))}`;
  const server = keep(await createCacheServer({ blobs, env: s3.env, namespaces: cacheNamespaces }));
  storm = createCacheStorm({ server, namespaces: cacheTruth, seed, endings, strike: s3.strike });
});

describe(`the S3 store fails, and so does artifact-cache (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it(`${rounds} rounds of ${livesInARound} lives: the history is as it should be`, async () => {
    for (let round = 1; round <= rounds; round++) {
      for (let life = 0; life < livesInARound; life++) await storm.live(life === 0 ? 'struck' : undefined);
      await storm.check();
    }
    expect(storm.strikes).toBeGreaterThanOrEqual(rounds);
  });
});
