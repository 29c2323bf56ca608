import { createThrowawayCa } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { chaosSeed, createChance } from './world/chance.js';
import { createChaosDaemon } from './world/daemon.js';
import { createGoods } from './world/goods.js';
import { spoolGround } from './world/ground.js';
import { roundsOf } from './world/length.js';
import { startChaosS3 } from './world/s3.js';
import { createStorm, type Storm } from './world/storm.js';
import { startChaosUpstream } from './world/upstream.js';

/** Bodies in an S3 store that answers late, wrongly, half or not at all, and that dies as the daemon does. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(2);
const livesInARound = 6;
const endings = { running: 25, starting: 10, paused: 2, aimed: 10, gently: 3, struck: 50, thinned: 0 };
let storm: Storm;

beforeAll(async () => {
  const ca = await createThrowawayCa();
  const upstream = keep(await startChaosUpstream(ca, createChance(seed, 'upstream')));
  const chance = createChance(seed, 'goods');
  const goods = createGoods({ origin: upstream.origin, chance, files: 24, packages: 8, largest: 600_000 });
  upstream.offer(goods.byPath);
  const s3 = keep(await startChaosS3(createChance(seed, 's3')));
  const options = { inspectors: goods.inspectors, upstreamCaPem: ca.certificatePem };
  const daemon = keep(await createChaosDaemon({ ...options, args: [`--bodies=${s3.url}`], env: s3.env }));
  // What another replica may be about to refer to is left alone for half an hour.
  const ground = { ...spoolGround(daemon), sweepMs: undefined, strike: s3.strike };
  storm = createStorm({ daemon, goods, upstream, ground, seed, endings });
});

describe(`the S3 store fails, and so does the daemon (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it(`${rounds} rounds of ${livesInARound} lives: the history is as it should be`, async () => {
    await storm.rise();
    for (let round = 1; round <= rounds; round++) {
      await storm.begin();
      for (let life = 0; life < livesInARound; life++) await storm.live(life === 0 ? 'struck' : undefined);
      await storm.check({ isLast: round === rounds });
    }
    expect(storm.strikes).toBeGreaterThanOrEqual(rounds);
  });
});
