import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { pipMetadata, pipSdist, pipWheel } from './files.js';
import { pipSimpleIndex } from './simple-index.js';

/** Inspectors of Python packages, in the order of the registry. */
export function pipInspectors(config: InspectorsConfig): readonly Inspector[] {
  return [pipSimpleIndex(config), pipWheel(config), pipSdist(config), pipMetadata(config)] as readonly Inspector[];
}
