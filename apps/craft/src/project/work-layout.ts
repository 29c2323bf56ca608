import { join } from 'node:path';

/** Directories of one part. */
export interface PartLayout {
  readonly dir: string;
  readonly src: string;
  readonly build: string;
  readonly install: string;
  /** Scripts and the channel of craftctl. */
  readonly run: string;
  /** .deb files of `stage-packages`. */
  readonly packages: string;
}

/**
 * Directories of a build. `parts`, `stage`, `prime`, `home`, `tmp` and `clients` are writable by build commands; `state` and `logs`
 * are not, because craft trusts what it reads there.
 */
export interface WorkLayout {
  readonly project: string;
  readonly parts: string;
  readonly stage: string;
  readonly prime: string;
  /** HOME of build commands. */
  readonly home: string;
  readonly tmp: string;
  /** Settings and caches of the clients that a build uses: npm, apt, git … */
  readonly clients: string;
  readonly state: string;
  readonly logs: string;
  /** What build commands may write. */
  readonly writable: readonly string[];
  /** What `craft clean` removes. */
  readonly all: readonly string[];
  part(name: string): PartLayout;
}

/** Directory of the project in which craft keeps everything but an ordinary build's `parts`, `stage` and `prime`. */
export const craftDirectory = '.craft';

/**
 * Where a build works. An ordinary build of a project with one platform uses `parts`, `stage` and `prime` of the project's
 * directory; one of several platforms has a directory a platform. A session has a directory of its own (`scope`), so that
 * it starts from nothing without throwing away the developer's warm build.
 */
export function workLayout(
  project: string,
  platform: string,
  options: { scope?: string | undefined; several: boolean },
): WorkLayout {
  const own = options.scope !== undefined || options.several;
  const name = [options.scope, platform]
    .filter(Boolean)
    .join('-')
    .replaceAll(/[^A-Za-z0-9.+~_-]/g, '-');
  const root = own ? join(project, craftDirectory, name) : project;
  const hidden = own ? root : join(project, craftDirectory, 'work');
  const parts = join(root, 'parts');
  const stage = join(root, 'stage');
  const prime = join(root, 'prime');
  return {
    project,
    parts,
    stage,
    prime,
    home: join(hidden, 'home'),
    tmp: join(hidden, 'tmp'),
    clients: join(hidden, 'clients'),
    state: join(hidden, 'state'),
    logs: join(hidden, 'logs'),
    writable: [parts, stage, prime, ...['home', 'tmp', 'clients'].map((name) => join(hidden, name))],
    all: own ? [root] : [parts, stage, prime, hidden],
    part(part) {
      const dir = join(parts, part);
      return {
        dir,
        src: join(dir, 'src'),
        build: join(dir, 'build'),
        install: join(dir, 'install'),
        run: join(dir, 'run'),
        packages: join(dir, 'stage_packages'),
      };
    },
  };
}

/** Names in the project's directory that craft itself makes: a local source of the project leaves them out. */
export function isOwnProduct(projectName: string, relativePath: string): boolean {
  if (['parts', 'stage', 'prime', craftDirectory].includes(relativePath)) return true;
  if (relativePath.includes('/')) return false;
  return (
    relativePath.startsWith(`${projectName}_`) &&
    /\.(tar\.gz|snap|json)(\.json)?(\.[0-9a-f-]+\.part)?$/.test(relativePath)
  );
}
