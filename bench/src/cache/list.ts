import type { CacheServer } from './cache-server.ts';
import { bazelRemoteServer, nginx, turboCacheServer } from './peers.ts';
import { asBazel, asKeyValue, asTurbo, waybillCache } from './waybill-cache.ts';

/** nginx is the limit, the others are ours as different clients use it, and what people run today. */
export const cacheServers: readonly CacheServer[] = [
  nginx,
  waybillCache('waybill-cas', asBazel),
  waybillCache('waybill-turbo', asTurbo),
  waybillCache('waybill-kv', asKeyValue),
  bazelRemoteServer,
  turboCacheServer,
];
