import type { InspectorsConfig } from '@waybill/contracts';
import { aptInspectors } from './apt/index.js';
import { defaultInspector, defaultInspectorId } from './default.js';
import { InspectorError } from './errors.js';
import { genericFile } from './generic/file.js';
import { gitSmartQuery } from './git/smart-query.js';
import { gitUploadPack } from './git/upload-pack.js';
import type { Inspector } from './inspector.js';
import { npmAdvisories } from './npm/advisories.js';
import { npmPackument } from './npm/packument.js';
import { npmTarball } from './npm/tarball.js';

/**
 * All inspectors in the order in which reports list them, `default` last. No discovery: a new format is one line here.
 * @throws InspectorError INSPECTOR_DUPLICATE_ID, PolicyError POLICY_GLOB_INVALID
 */
export function createInspectorRegistry(config: InspectorsConfig): readonly Inspector[] {
  return assertUniqueIds([
    npmPackument(config),
    npmTarball(config),
    npmAdvisories(config),
    ...aptInspectors(config),
    gitSmartQuery(config),
    gitUploadPack(config),
    genericFile(config),
    defaultInspector(),
  ]);
}

/** @throws InspectorError INSPECTOR_DUPLICATE_ID */
export function assertUniqueIds(inspectors: readonly Inspector[]): readonly Inspector[] {
  const seen = new Set<string>();
  for (const { id } of inspectors) {
    if (seen.has(id)) throw new InspectorError('INSPECTOR_DUPLICATE_ID', `two inspectors have the id ${id}`);
    seen.add(id);
  }
  if (inspectors.at(-1)?.id !== defaultInspectorId) {
    throw new InspectorError('INSPECTOR_DUPLICATE_ID', `the last inspector must be ${defaultInspectorId}`);
  }
  return inspectors;
}
