import { join } from 'node:path';
import { createThrowawayCa } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { chaosSeed, createChance } from './world/chance.js';
import { createChaosDaemon } from './world/daemon.js';
import { createGoods } from './world/goods.js';
import { spoolGround } from './world/ground.js';
import { roundsOf } from './world/length.js';
import { startChaosPostgres } from './world/postgres.js';
import { startChaosS3 } from './world/s3.js';
import { createStorm, type Storm } from './world/storm.js';
import { startChaosUpstream } from './world/upstream.js';

/** Two replicas over one PostgreSQL and one S3 store: clients use both, and either one dies. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(1);
const livesInARound = 6;
const endings = { running: 45, starting: 10, paused: 0, aimed: 10, gently: 5, struck: 0, thinned: 30 };
let storm: Storm;

beforeAll(async () => {
  const ca = await createThrowawayCa();
  const upstream = keep(await startChaosUpstream(ca, createChance(seed, 'upstream')));
  const chance = createChance(seed, 'goods');
  const goods = createGoods({ origin: upstream.origin, chance, files: 24, packages: 8, largest: 600_000 });
  upstream.offer(goods.byPath);
  const postgres = keep(await startChaosPostgres());
  const s3 = keep(await startChaosS3(createChance(seed, 's3')));
  const shared = { inspectors: goods.inspectors, upstreamCaPem: ca.certificatePem, env: s3.env };
  const stores = [`--database=${postgres.url}`, `--bodies=${s3.url}`];
  const daemon = keep(await createChaosDaemon({ ...shared, args: stores }));
  const root = join(daemon.spool, '.waybill', 'ca');
  // Clients trust one root, whichever replica they are sent to.
  const identity = [`--cert=${join(root, 'root-ca.pem')}`, `--key=${join(root, 'root-ca.key.pem')}`];
  const other = keep(await createChaosDaemon({ ...shared, args: [...stores, ...identity] }));
  // What another replica may be about to refer to is left alone for half an hour.
  const ground = { ...spoolGround(daemon), recordFaults: async () => [], sweepMs: undefined };
  storm = createStorm({ daemon, others: [other], goods, upstream, ground, seed, endings });
  await storm.rise();
  const second = other.start();
  if (!(await second.ready)) throw new Error(`the second replica does not start:\n${second.output()}`);
});

describe(`one of two replicas dies (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it(`${rounds} rounds of ${livesInARound} lives: the history is as it should be`, async () => {
    for (let round = 1; round <= rounds; round++) {
      await storm.begin();
      for (let life = 0; life < livesInARound; life++) await storm.live(life === 0 ? 'thinned' : undefined);
      await storm.check({ isLast: round === rounds });
    }
    expect(storm.kills).toBeGreaterThanOrEqual(rounds * livesInARound);
  });
});
