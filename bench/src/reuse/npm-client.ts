import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BenchError } from '../bench-error.ts';
import type { NpmMirror } from './npm-mirror.ts';
import { tarballPath } from './npm-origin.ts';

/** How npm gets to the registry. */
export interface NpmWay {
  readonly base: string;
  /** Root of whoever answers. */
  readonly caFile: string;
  /** `http://<session>:<token>@…`; absent: straight. */
  readonly proxyUrl?: string | undefined;
  /** Out of the cache that the install before left, without any request: what npm itself takes. */
  readonly offline?: boolean | undefined;
}

/** Lays out the project with a lock file whose URLs are the registry's. */
export async function layOutProject(dir: string, { manifest, lock }: NpmMirror, base: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const entries = Object.entries(lock.packages).map(([path, entry]) => {
    if (path === '' || !entry.integrity) return [path, entry] as const;
    const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return [path, { ...entry, resolved: base + tarballPath(name, entry.version) }] as const;
  });
  await writeFile(join(dir, 'package.json'), JSON.stringify(manifest));
  await writeFile(join(dir, 'package-lock.json'), JSON.stringify({ ...lock, packages: Object.fromEntries(entries) }));
}

/**
 * `npm ci` with an empty cache (or {@link NpmWay.offline}) into an empty directory.
 * @returns milliseconds
 * @throws BenchError `BENCH_ANSWER_WRONG`
 */
export async function installOnce(dir: string, { base, caFile, proxyUrl, offline = false }: NpmWay): Promise<number> {
  const [modules, home] = [join(dir, 'node_modules'), join(dir, '..', 'home')];
  for (const path of offline ? [modules] : [modules, home])
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  await mkdir(home, { recursive: true });
  const options = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...(offline ? ['--offline'] : []),
  ];
  const startedMs = performance.now();
  const child = spawn('npm', ['ci', ...options], {
    cwd: dir,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      npm_config_cache: join(home, 'cache'),
      npm_config_registry: base,
      npm_config_cafile: caFile,
      npm_config_update_notifier: 'false',
      ...(proxyUrl && { npm_config_proxy: proxyUrl, npm_config_https_proxy: proxyUrl, npm_config_noproxy: '' }),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000);
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new BenchError('BENCH_ANSWER_WRONG', `npm ci ended with ${code}:\n${said}`);
  return performance.now() - startedMs;
}
