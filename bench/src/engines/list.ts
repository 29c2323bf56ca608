import { direct } from './direct.ts';
import type { Engine } from './engine.ts';
import { mitmdump } from './mitmdump.ts';
import { squid } from './squid.ts';
import { waybillPermissive, waybillStrict } from './waybill.ts';

/** Every engine, in the order of the tables. */
export const engines: readonly Engine[] = [direct, waybillStrict, waybillPermissive, mitmdump, squid];
