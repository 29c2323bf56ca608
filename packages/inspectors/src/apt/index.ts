import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { aptCommands } from './commands.js';
import { deb } from './deb.js';
import { createFetchedIndexes } from './fetched-indexes.js';
import { aptPackages } from './packages.js';
import { aptRelease } from './release.js';
import { compileRepositories } from './repositories.js';
import { aptSources } from './sources.js';
import { sourcesDerivation } from './sources-index.js';
import { aptTranslations } from './translations.js';

export { aptKeyProblems } from './repositories.js';

/**
 * The inspectors of apt repositories, in the order in which reports list them. Made anew for each session: they remember
 * which indexes they fetched themselves.
 * @throws PolicyError POLICY_GLOB_INVALID
 * @see specs/fetch-service.md §5.1–5.5
 */
export function aptInspectors(config: InspectorsConfig): readonly Inspector[] {
  const repositories = compileRepositories(config);
  const fetched = createFetchedIndexes();
  return [
    aptRelease(repositories),
    aptPackages(repositories, fetched),
    aptSources(repositories, createFetchedIndexes(sourcesDerivation)),
    aptTranslations(repositories),
    aptCommands(repositories),
    deb(repositories, fetched),
  ] as readonly Inspector[];
}
