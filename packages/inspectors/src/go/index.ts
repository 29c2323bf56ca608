import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { goImport } from './import-page.js';
import { goMod, goVersions, goZip } from './proxy-files.js';
import { goSumdb } from './sumdb.js';

/** Inspectors of Go modules, in the order of the registry. */
export function goInspectors(config: InspectorsConfig): readonly Inspector[] {
  return [goSumdb(config), goVersions(config), goMod(config), goZip(config), goImport(config)] as readonly Inspector[];
}
