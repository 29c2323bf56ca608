import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../processes/free-port.ts';
import { type RunningProgram, startProgram } from '../processes/start-program.ts';
import { type ControlApi, createControlApi } from './control-api.ts';
import type { Site } from './engine.ts';

export const launcher = fileURLToPath(new URL('../../../tooling/bin/fetch-service', import.meta.url));

export interface WaybillDaemon extends RunningProgram {
  readonly control: ControlApi;
  readonly proxyAddress: string;
}

/** What of a site the daemon needs. */
export type DaemonSite = Pick<Site, 'dir' | 'ca' | 'wrap' | 'profileDir'> & {
  readonly upstream: { readonly caFile: string };
};

/** Starts the built daemon with everything that it writes below the site's directory. */
export async function startDaemon(site: DaemonSite, processes?: number): Promise<WaybillDaemon> {
  const [controlPort, proxyPort] = [await freePort(), await freePort()];
  const auth = `bench:${randomBytes(16).toString('hex')}`;
  const config = await writeConfiguration(site.dir);
  const args = [
    ...['--control-host=127.0.0.1', `--control-port=${controlPort}`],
    ...['--proxy-host=127.0.0.1', `--proxy-port=${proxyPort}`],
    ...[`--config=${config}`, `--spool=${join(site.dir, 'spool')}`, `--socket=${join(site.dir, 'socket')}`],
    ...[`--runtime-file=${join(site.dir, 'runtime.json')}`, `--upstream-ca=${site.upstream.caFile}`],
    ...[`--cert=${site.ca.certFile}`, `--key=${site.ca.keyFile}`, '--permissive-mode', '--verbosity=warning'],
    ...(processes === undefined ? [] : [`--processes=${processes}`]),
  ];
  const program = await startProgram({
    name: 'fetch-service',
    ...site.wrap({ program: launcher, args }),
    env: { PATH: process.env.PATH, HOME: site.dir, FETCH_SERVICE_AUTH: auth, ...profiling(site) },
    logFile: join(site.dir, 'fetch-service.log'),
    ports: [proxyPort, controlPort],
    startMs: 60_000,
  });
  const control = createControlApi(`http://127.0.0.1:${controlPort}`, auth);
  return { ...program, control, proxyAddress: `127.0.0.1:${proxyPort}` };
}

/** No registry is known to the service itself; the upstream is on this machine, which `acl.yaml` has to allow. */
async function writeConfiguration(dir: string): Promise<string> {
  const config = join(dir, 'config');
  await mkdir(config);
  await writeFile(join(config, 'inspectors.yaml'), 'generic:\n  files: []\n');
  const rule = 'rules:\n    - dst: ["127.0.0.0/8", "::1"]\n      access: allow\n';
  await writeFile(join(config, 'acl.yaml'), `http-proxy:\n  policy: deny\n  ${rule}`);
  return config;
}

function profiling({ profileDir }: DaemonSite): NodeJS.ProcessEnv {
  return profileDir === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDir}` };
}
