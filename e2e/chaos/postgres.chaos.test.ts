import { createThrowawayCa } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { chaosSeed, createChance } from './world/chance.js';
import { createChaosDaemon } from './world/daemon.js';
import { createGoods } from './world/goods.js';
import { spoolGround } from './world/ground.js';
import { roundsOf } from './world/length.js';
import { startChaosPostgres } from './world/postgres.js';
import { createStorm, type Storm } from './world/storm.js';
import { startChaosUpstream } from './world/upstream.js';

/** Records in PostgreSQL, which is stopped, killed, hung and cut off while builds run and the daemon dies. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(2);
const livesInARound = 7;
const endings = { running: 25, starting: 10, paused: 3, aimed: 10, gently: 2, struck: 50, thinned: 0 };
let storm: Storm;

beforeAll(async () => {
  const ca = await createThrowawayCa();
  const upstream = keep(await startChaosUpstream(ca, createChance(seed, 'upstream')));
  const goods = createGoods({ origin: upstream.origin, chance: createChance(seed, 'goods') });
  upstream.offer(goods.byPath);
  const postgres = keep(await startChaosPostgres());
  const args = [`--database=${postgres.url}`];
  const daemon = keep(
    await createChaosDaemon({ inspectors: goods.inspectors, upstreamCaPem: ca.certificatePem, args }),
  );
  const ground = {
    ...spoolGround(daemon),
    recordFaults: async () => [],
    strike: postgres.strike,
  };
  storm = createStorm({ daemon, goods, upstream, ground, seed, endings });
});

describe(`PostgreSQL fails, and so does the daemon (WAYBILL_CHAOS_SEED=${seed})`, () => {
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
