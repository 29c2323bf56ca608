import { createThrowawayCa } from '@waybill/testkit';
import { describe, it, onTestFinished } from 'vitest';
import { chaosSeed, createChance } from './world/chance.js';
import { createChaosDaemon } from './world/daemon.js';
import { createGoods } from './world/goods.js';
import { roundsOf } from './world/length.js';
import { createStorm } from './world/storm.js';
import { startChaosUpstream } from './world/upstream.js';

/** Killed before there is anything: while the spool, the root certificate and the tables are made. */
const seed = chaosSeed();
const spools = Array.from({ length: roundsOf(5) }, (_, at) => seed + at);
const startsOfEach = 4;

describe(`kill -9 during the first start (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it.each(spools)(`${startsOfEach} times in an empty spool, and it serves (%d)`, async (own) => {
    const ca = await createThrowawayCa();
    const upstream = await startChaosUpstream(ca, createChance(own, 'upstream'));
    const goods = createGoods({ origin: upstream.origin, chance: createChance(own, 'goods'), files: 8, packages: 2 });
    upstream.offer(goods.byPath);
    const daemon = await createChaosDaemon({ inspectors: goods.inspectors, upstreamCaPem: ca.certificatePem });
    onTestFinished(async () => {
      await daemon.close();
      await upstream.close();
    });
    const storm = createStorm({ daemon, goods, upstream, seed: own });
    for (let start = 0; start < startsOfEach; start++) await storm.live('starting');
    await storm.rise();
    await storm.begin();
    await storm.check({ isLast: true });
  });
});
