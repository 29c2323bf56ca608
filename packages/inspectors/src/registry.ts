import type { InspectorsConfig } from '@waybill/contracts';
import { aptInspectors } from './apt/index.js';
import { cargoIndex } from './cargo/cargo-index.js';
import { cargoCrate } from './cargo/crate.js';
import { chiselRelease } from './chisel/release.js';
import { craftInspectors } from './craft/project-files.js';
import { defaultInspector, defaultInspectorId } from './default.js';
import { InspectorError } from './errors.js';
import { genericChecksums } from './generic/checksums.js';
import { genericFile } from './generic/file.js';
import { gitLfsBatch, gitLfsObject } from './git/lfs.js';
import { gitSmartQuery } from './git/smart-query.js';
import { gitUploadPack } from './git/upload-pack.js';
import { goModuleGit } from './go/git-module.js';
import { goInspectors } from './go/index.js';
import type { Inspector } from './inspector.js';
import { lxdInspectors } from './lxd/index.js';
import { mavenInspectors } from './maven/index.js';
import { npmAdvisories } from './npm/advisories.js';
import { npmKeys } from './npm/keys.js';
import { npmPackument } from './npm/packument.js';
import { npmTarball } from './npm/tarball.js';
import { ociInspectors } from './oci/index.js';
import { pipInspectors } from './pip/index.js';
import { snapInspectors } from './snap/index.js';
import { storeInspectors } from './store/index.js';

/**
 * All inspectors in the order in which reports list them, `default` last. No discovery: a new format is one line here.
 * @throws InspectorError INSPECTOR_DUPLICATE_ID, PolicyError POLICY_GLOB_INVALID
 */
export function createInspectorRegistry(config: InspectorsConfig): readonly Inspector[] {
  return assertUniqueIds([
    ...snapInspectors(config),
    ...storeInspectors(config),
    npmPackument(config),
    npmTarball(config),
    npmAdvisories(config),
    npmKeys(config),
    ...aptInspectors(config),
    cargoIndex(config),
    cargoCrate(config),
    ...pipInspectors(config),
    ...goInspectors(config),
    ...mavenInspectors(config),
    ...ociInspectors(config),
    gitSmartQuery(config),
    gitUploadPack(config),
    gitLfsBatch(config),
    gitLfsObject(config),
    ...craftInspectors(config),
    goModuleGit(config),
    ...lxdInspectors(config),
    chiselRelease(config),
    genericFile(config),
    genericChecksums(config),
    defaultInspector(config),
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
