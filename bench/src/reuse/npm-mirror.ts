import { execFile } from 'node:child_process';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BenchError } from '../bench-error.ts';

const run = promisify(execFile);

/** Together some hundreds of packages, as a web application has them; none with thousands of files, which npm takes seconds to unpack. */
const dependencies = {
  ...{ jest: '29', webpack: '5', 'webpack-dev-server': '5', eslint: '8', '@babel/core': '7' },
  ...{ typescript: '5', react: '18', 'react-dom': '18', express: '4', mocha: '10', stylelint: '15' },
};
const fewestPackages = 500;

/** An entry of `packages` in a lock file. */
export interface LockEntry {
  readonly version: string;
  readonly integrity: string;
  readonly name?: string;
  readonly [field: string]: unknown;
}

/** A tarball of the project. */
export interface MirroredPackage {
  readonly name: string;
  readonly entry: LockEntry;
  readonly tarball: Buffer;
}

/** A project and all that it needs, on this machine. */
export interface NpmMirror {
  readonly manifest: object;
  /** Without URLs. */
  readonly lock: { readonly packages: Readonly<Record<string, LockEntry>> };
  readonly packages: readonly MirroredPackage[];
}

/**
 * Installs the project once from the registry that this machine's npm is configured for, and keeps what came.
 * @param dir of its own; a later run finds its download cache there
 * @throws BenchError `BENCH_PROGRAM_FAILED`
 */
export async function mirrorProject(dir: string): Promise<NpmMirror> {
  const [project, cache] = [join(dir, 'project'), join(dir, 'cache')];
  await mkdir(project, { recursive: true });
  const manifest = { name: 'bench-reuse', version: '1.0.0', private: true, dependencies };
  await writeFile(join(project, 'package.json'), JSON.stringify(manifest));
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', `--cache=${cache}`];
  await run('npm', ['install', ...options], { cwd: project, maxBuffer: 2 ** 24 }).catch((cause: Error) => {
    throw new BenchError('BENCH_PROGRAM_FAILED', `npm install: ${cause.message.slice(0, 500)}`, {
      cause,
      hint: 'the project is installed once from the registry that npm is configured for',
    });
  });
  const lock = JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8'));
  const packages = await readTarballs(lock.packages, cache);
  if (packages.length < fewestPackages) {
    throw new BenchError(
      'BENCH_PROGRAM_FAILED',
      `the project has ${packages.length} packages, wanted ${fewestPackages}`,
    );
  }
  return { manifest, lock, packages };
}

async function readTarballs(entries: Readonly<Record<string, LockEntry>>, cache: string): Promise<MirroredPackage[]> {
  const found = new Map<string, MirroredPackage>();
  for (const [path, entry] of Object.entries(entries)) {
    if (path === '' || !entry.integrity) continue;
    const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const file = cachedFile(cache, entry.integrity);
    // Packages for other systems are in the lock file, but nobody downloads them.
    if (await stat(file).catch(() => undefined)) {
      found.set(`${name}@${entry.version}`, { name, entry, tarball: await readFile(file) });
    }
  }
  return [...found.values()];
}

/** Where npm's cache keeps content: by its digest. */
function cachedFile(cache: string, integrity: string): string {
  const [algorithm = '', base64 = ''] = integrity.split('-');
  const hex = Buffer.from(base64, 'base64').toString('hex');
  return join(cache, '_cacache/content-v2', algorithm, hex.slice(0, 2), hex.slice(2, 4), hex.slice(4));
}
