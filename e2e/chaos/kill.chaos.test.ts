import { createThrowawayCa } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { chaosSeed, createChance } from './world/chance.js';
import { createChaosDaemon } from './world/daemon.js';
import { createGoods } from './world/goods.js';
import { roundsOf } from './world/length.js';
import { createStorm, type Storm } from './world/storm.js';
import { startChaosUpstream } from './world/upstream.js';

/** SQLite and files on one disk: the daemon as most people run it, killed at any moment. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(8);
const killsInARound = 10;
let storm: Storm;

beforeAll(async () => {
  const ca = await createThrowawayCa();
  const upstream = keep(await startChaosUpstream(ca, createChance(seed, 'upstream')));
  const { origin } = upstream;
  const goods = createGoods({ origin, chance: createChance(seed, 'goods') });
  upstream.offer(goods.byPath);
  const daemon = keep(await createChaosDaemon({ inspectors: goods.inspectors, upstreamCaPem: ca.certificatePem }));
  storm = createStorm({ daemon, goods, upstream, seed });
});

describe(`kill -9 at any moment (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it(`${rounds} rounds of ${killsInARound} lives: the history is as it should be`, async () => {
    await storm.rise();
    for (let round = 1; round <= rounds; round++) {
      await storm.begin();
      for (let life = 0; life < killsInARound; life++) await storm.live();
      await storm.check({ isLast: round === rounds });
    }
    expect(storm.kills).toBeGreaterThanOrEqual(rounds * (killsInARound - 1));
  });
});
