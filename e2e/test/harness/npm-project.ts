import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ran, type RunOptions, run, sessionEnv } from './run.js';
import type { Session } from './session.js';
import { createTempDir } from './temp-dir.js';

/** A package of a lock file that has to be downloaded. */
export interface LockedTarball {
  readonly url: string;
  /** `sha512-…`, base64. */
  readonly integrity: string;
}

/** A project in a directory of its own, with an npm that knows nothing of the machine's. */
export interface NpmProject {
  readonly dir: string;
  /** npm, pnpm … through a session's proxy, each time with an empty cache. */
  run(
    session: Session,
    command: string,
    args: readonly string[],
    options?: Pick<RunOptions, 'timeoutMs'>,
  ): Promise<Ran>;
  /** npm straight to the registry. */
  direct(args: readonly string[]): Promise<Ran>;
  /** What the lock file lists. */
  lockedTarballs(): Promise<LockedTarball[]>;
  /** Forgets what is installed. */
  clean(): Promise<void>;
  /** Content of a file of the project. */
  read(path: string): Promise<string>;
  close(): Promise<void>;
}

export interface NpmProjectOptions {
  readonly registry: string;
  /** What to install … */
  readonly dependencies?: Readonly<Record<string, string>>;
  /** … or a directory whose package.json and package-lock.json to take. */
  readonly from?: string;
  /** PEM file of the registry's root, for direct calls. */
  readonly registryCaFile?: string;
}

export async function createNpmProject(options: NpmProjectOptions): Promise<NpmProject> {
  const { registry, dependencies, from, registryCaFile } = options;
  const dir = await createTempDir();
  const project = dir.at('project');
  await mkdir(project);
  if (from === undefined) {
    const manifest = { name: 'project', version: '1.0.0', private: true, dependencies };
    await writeFile(dir.at('project', 'package.json'), JSON.stringify(manifest));
  } else {
    for (const name of ['package.json', 'package-lock.json']) await copyFile(join(from, name), join(project, name));
  }
  await writeFile(dir.at('project', '.npmrc'), `registry=${registry}\n`);
  let caches = 0;
  const env = async (extra: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> => {
    const home = dir.at(`home-${caches++}`);
    await mkdir(home);
    return {
      HOME: home,
      npm_config_cache: `${home}/cache`,
      npm_config_update_notifier: 'false',
      npm_config_fund: 'false',
      npm_config_fetch_retries: '0',
      NO_COLOR: '1',
      CI: 'true',
      ...extra,
    };
  };
  return {
    dir: project,
    run: async (session, command, args, options) =>
      run(command, args, { ...options, cwd: project, env: await env(sessionEnv(session)) }),
    direct: async (args) =>
      run('npm', args, {
        cwd: project,
        env: await env(registryCaFile === undefined ? {} : { NODE_EXTRA_CA_CERTS: registryCaFile }),
      }),
    lockedTarballs: async () => lockedTarballs(await readFile(dir.at('project', 'package-lock.json'), 'utf8')),
    clean: () => rm(dir.at('project', 'node_modules'), { recursive: true, force: true }),
    read: (path) => readFile(dir.at('project', path), 'utf8'),
    close: dir.close,
  };
}

/** Every package of a lock file (version 2 or 3) that comes from a registry; without `resolved` the URL is empty. */
export function lockedTarballs(lock: string): LockedTarball[] {
  const { packages } = JSON.parse(lock) as {
    packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>;
  };
  const found = Object.values(packages).flatMap(({ resolved: url = '', integrity, link }) =>
    integrity !== undefined && !link ? [{ url, integrity }] : [],
  );
  const distinct = new Map(found.map((entry) => [`${entry.url} ${entry.integrity}`, entry]));
  return [...distinct.values()].sort((a, b) => (a.url < b.url ? -1 : 1));
}
