import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { storeAnswers } from './answers.js';
import { storeAppmedia } from './appmedia.js';
import { bldBin } from './bld-bin.js';
import { storeInfoApi } from './package-info.js';

/**
 * The inspectors of craft stores, `bld.bin` behind what vouches for it.
 * @throws PolicyError POLICY_GLOB_INVALID
 * @see specs/fetch-service.md §5.13
 */
export function storeInspectors(config: InspectorsConfig): readonly Inspector[] {
  return [storeInfoApi(config), ...storeAnswers(config), storeAppmedia(config), bldBin(config)] as readonly Inspector[];
}
