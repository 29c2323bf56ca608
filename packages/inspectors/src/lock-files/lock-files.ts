import type { InspectorsConfig, LockFile, LockFileType, VouchLink } from '@waybill/contracts';
import { normalizeUrl } from '@waybill/policy';
import { readGoSum } from './go-sum.js';
import { type LockEcosystem, type LockedEntry, LockFileError } from './locked.js';
import { readPackageLock } from './package-lock.js';
import { readPnpmLock } from './pnpm-lock.js';
import { readRequirements } from './requirements.js';
import { readCargoLock, readUvLock } from './toml-locks.js';
import { readYarnLock } from './yarn-lock.js';

const readers: Readonly<Record<LockFileType, (text: string) => readonly LockedEntry[]>> = {
  'package-lock': readPackageLock,
  'pnpm-lock': readPnpmLock,
  'yarn-lock': readYarnLock,
  requirements: readRequirements,
  'uv-lock': readUvLock,
  'cargo-lock': readCargoLock,
  'go-sum': readGoSum,
};

/** A lock file's word on a package. */
export interface Locked extends LockedEntry {
  /** The trust root: `lock-files[<n>]`. */
  readonly link: VouchLink;
}

/** What the lock files of a configuration say. */
export interface LockedPackages {
  /** Of a package's version. */
  find(ecosystem: LockEcosystem, name: string, version: string): readonly Locked[];
  /** Of a project, whatever its version. */
  ofProject(ecosystem: LockEcosystem, name: string): readonly Locked[];
  /** Of an npm tarball by its URL. */
  atUrl(normalizedUrl: string): readonly Locked[];
}

const known = new WeakMap<InspectorsConfig, LockedPackages>();

/** The configuration's `lock-files`, read once. One that cannot be read vouches for nothing: {@link lockFileProblems} says why. */
export function lockedPackages(config: InspectorsConfig): LockedPackages {
  const found = known.get(config) ?? indexAll(config['lock-files'] ?? []);
  known.set(config, found);
  return found;
}

/** Lock files of the configuration that cannot be read, for checking it before a build needs them. */
export function lockFileProblems(
  config: InspectorsConfig,
): readonly { readonly index: number; readonly message: string }[] {
  return (config['lock-files'] ?? []).flatMap((file, index) => {
    try {
      const count = readers[file.type](file.content).length;
      return count > 0 ? [] : [{ index, message: `${file.name} pins nothing by a digest` }];
    } catch (error) {
      if (!(error instanceof LockFileError)) throw error;
      return [{ index, message: `${file.name} ${error.message}` }];
    }
  });
}

function indexAll(files: readonly LockFile[]): LockedPackages {
  const byKey = new Map<string, Locked[]>();
  const put = (key: string, locked: Locked) => {
    const list = byKey.get(key);
    if (list) list.push(locked);
    else byKey.set(key, [locked]);
  };
  for (const [index, file] of files.entries()) {
    for (const entry of entriesOf(file)) {
      const locked = { ...entry, link: linkOf(index, file.name, entry) };
      put(`${entry.ecosystem} ${entry.name} ${entry.version}`, locked);
      put(`${entry.ecosystem} ${entry.name}`, locked);
      const url = entry.url === undefined ? null : URL.parse(entry.url);
      if (url) put(normalizeUrl(url), locked);
    }
  }
  const get = (key: string) => byKey.get(key) ?? [];
  return {
    find: (ecosystem, name, version) => get(`${ecosystem} ${name} ${version}`),
    ofProject: (ecosystem, name) => get(`${ecosystem} ${name}`),
    atUrl: get,
  };
}

function entriesOf({ type, content }: LockFile): readonly LockedEntry[] {
  try {
    return readers[type](content);
  } catch (error) {
    if (!(error instanceof LockFileError)) throw error;
    return [];
  }
}

function linkOf(index: number, file: string, { name, version }: LockedEntry): VouchLink {
  return { kind: 'digest', id: `lock-files[${index}]`, name: `${file}: ${name}${version === '' ? '' : `@${version}`}` };
}
