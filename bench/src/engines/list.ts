import { bare } from './bare.ts';
import { direct } from './direct.ts';
import type { Engine } from './engine.ts';
import { mitmdump } from './mitmdump.ts';
import { squid } from './squid.ts';
import { waybill, waybillPermissive, waybillStrict } from './waybill.ts';

/** Every engine, in the order of the tables. */
export const engines: readonly Engine[] = [direct, waybillStrict, waybillPermissive, squid, mitmdump, bare];

/** What `--scaling` compares: the same daemon with so many processes. */
export const scalingEngines: readonly Engine[] = [1, 2, 4].map((processes) =>
  waybill({
    id: `waybill-${processes}`,
    policy: 'strict',
    does: `strict session, ${processes === 1 ? 'one process' : `${processes} processes on one port`}`,
    processes,
  }),
);
