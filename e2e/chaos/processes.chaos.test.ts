import { createThrowawayCa } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { chaosSeed, createChance } from './world/chance.js';
import { createChaosDaemon } from './world/daemon.js';
import { createGoods } from './world/goods.js';
import { spoolGround } from './world/ground.js';
import { roundsOf } from './world/length.js';
import { createStorm, type Storm } from './world/storm.js';
import { startChaosUpstream } from './world/upstream.js';

/** Two processes on one port and one spool: one of them is killed and replaced, or all of them are. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(2);
const livesInARound = 6;
const endings = { running: 20, starting: 15, paused: 0, aimed: 10, gently: 5, struck: 0, thinned: 50 };
let storm: Storm;

beforeAll(async () => {
  const ca = await createThrowawayCa();
  const upstream = keep(await startChaosUpstream(ca, createChance(seed, 'upstream')));
  const goods = createGoods({ origin: upstream.origin, chance: createChance(seed, 'goods') });
  upstream.offer(goods.byPath);
  const args = ['--processes=2'];
  const daemon = keep(
    await createChaosDaemon({ inspectors: goods.inspectors, upstreamCaPem: ca.certificatePem, args }),
  );
  // What another process may be about to refer to is left alone for half an hour.
  const ground = { ...spoolGround(daemon), sweepMs: undefined };
  storm = createStorm({ daemon, goods, upstream, ground, seed, endings, longestLifeMs: 600 });
});

describe(`one of several processes dies, or all (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it(`${rounds} rounds of ${livesInARound} lives: the history is as it should be`, async () => {
    await storm.rise();
    for (let round = 1; round <= rounds; round++) {
      await storm.begin();
      for (let life = 0; life < livesInARound; life++) await storm.live(life === 0 ? 'thinned' : undefined);
      await storm.check({ isLast: round === rounds });
    }
    expect(storm.kills).toBeGreaterThanOrEqual(rounds * livesInARound);
  });
});
