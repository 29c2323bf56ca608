import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { InspectorsConfigInput, RuntimeFile } from '@waybill/contracts';
import type { Progress } from '../output/progress.js';
import { configurationDirectory, generatedDirectory } from './daemon-configuration.js';
import type { WaybillDirectories } from './directories.js';
import { mergeSections, readInspectors } from './project-inspectors.js';

/** What the sections of a session depend on. */
export interface SessionSectionsOptions {
  readonly runtime: RuntimeFile;
  /** The project's own `inspectors.yaml`. */
  readonly project: InspectorsConfigInput | undefined;
  readonly directories: WaybillDirectories;
  readonly progress: Progress;
}

/** A section that a file leaves out allows nothing; in a session it would be inherited. */
const nothing: Required<InspectorsConfigInput> = {
  git: { urls: [] },
  crafts: { urls: [] },
  chisel: { urls: [] },
  store: { urls: [] },
  bldbin: { urls: [] },
  snap: { 'snap-declaration': [] },
  lxd: { servers: {} },
  apt: { repositories: {} },
  npm: { registries: {} },
  cargo: { registries: {} },
  go: { proxies: {} },
  pip: { indexes: {} },
  maven: { repositories: {} },
  oci: { registries: {} },
  generic: { files: [] },
  'lock-files': [],
  requests: {},
  limits: {},
};

/**
 * What a session has to be told of its configuration: what the project adds, joined with what the service has in the same
 * sections. A service of ours keeps running between builds and does not look at its files again: when the user has changed
 * `inspectors.yaml` since it started, all of it is told, so that the next build does what the file says.
 * @throws CraftError CRAFT_CONFIG_INVALID
 */
export async function sessionSections(options: SessionSectionsOptions): Promise<InspectorsConfigInput | undefined> {
  const { runtime, project, directories } = options;
  const current = await configurationDirectory(directories);
  const own = runtime['config-directory'];
  const isOurs = [directories.config, generatedDirectory(directories)].some((path) => resolve(path) === own);
  const directory = isOurs || own === undefined ? current.path : own;
  const file = join(directory, 'inspectors.yaml');
  if (isOurs) await warnOfAccessList(options, directory);
  if (isOurs && (resolve(directory) !== own || (await isNewer(file, runtime)))) {
    const base = { ...nothing, ...(await readInspectors(file)) };
    return { ...base, ...(project && mergeSections(base, project)) };
  }
  if (!project) return undefined;
  // What the service took is valid; without it the project's sections stand alone.
  const base = await readInspectors(file).catch(() => undefined);
  return mergeSections(base ?? {}, project);
}

/** The access list belongs to the service, not to a session: it cannot be told with one. */
async function warnOfAccessList({ runtime, directories, progress }: SessionSectionsOptions, directory: string) {
  const file = join(directory, 'acl.yaml');
  if (!(await isNewer(file, runtime))) return;
  const socket = join(dirname(directories.runtimeFile), 'fetchctl.socket');
  progress.warn(
    `${file} is newer than the running fetch service (process ${runtime.pid}), which still has the earlier one; to make it known: fetchctl --socket ${socket} update-config --type acl ${file}`,
  );
}

/** By the time of the last change of any kind: a file that was moved into place keeps its time of writing. */
async function isNewer(file: string, runtime: RuntimeFile): Promise<boolean> {
  const info = await stat(file).catch(() => undefined);
  return info !== undefined && info.ctimeMs > Date.parse(runtime['started-at']);
}
