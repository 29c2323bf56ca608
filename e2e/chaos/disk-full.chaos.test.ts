import { createThrowawayCa } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { chaosSeed, createChance } from './world/chance.js';
import { createChaosDaemon } from './world/daemon.js';
import { createGoods } from './world/goods.js';
import { spoolGround } from './world/ground.js';
import { roundsOf } from './world/length.js';
import { mountSmallDisk, type SmallDisk } from './world/small-disk.js';
import { createStorm, type Storm } from './world/storm.js';
import { startChaosUpstream } from './world/upstream.js';

/** The disk with bodies and records fills up and is freed again, while builds run and the daemon dies. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(2);
const livesInARound = 6;
const endings = { running: 20, starting: 10, paused: 2, aimed: 15, gently: 3, struck: 50, thinned: 0 };
let storm: Storm;

beforeAll(async () => {
  const disk: SmallDisk = keep(await mountSmallDisk('96m'));
  const ca = await createThrowawayCa();
  const upstream = keep(await startChaosUpstream(ca, createChance(seed, 'upstream')));
  const chance = createChance(seed, 'goods');
  const goods = createGoods({ origin: upstream.origin, chance, files: 30, largest: 1_000_000 });
  upstream.offer(goods.byPath);
  const daemon = keep(
    await createChaosDaemon({ inspectors: goods.inspectors, upstreamCaPem: ca.certificatePem, spool: disk.path }),
  );
  const ground = { ...spoolGround(daemon), strike: disk.strike };
  storm = createStorm({ daemon, goods, upstream, ground, seed, endings });
});

describe(`the disk is full, and the daemon dies (WAYBILL_CHAOS_SEED=${seed})`, () => {
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
