import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SessionPolicy } from '@waybill/contracts';
import { BenchError } from '../bench-error.ts';
import type { BodyRange } from '../load/job.ts';
import { freePort } from '../processes/free-port.ts';
import { runProgram } from '../processes/run-program.ts';
import { startProgram } from '../processes/start-program.ts';
import { smallBody, smallPath } from '../upstream/bodies.ts';
import type { Upstream } from '../upstream/start-upstream.ts';
import { createControlApi, type Session } from './control-api.ts';
import type { Availability, Engine, RunningEngine, Site } from './engine.ts';

const launcher = fileURLToPath(new URL('../../../tooling/bin/fetch-service', import.meta.url));

/** Every body that is asked for has its digest in the session's configuration, as a lock file would have it. */
export const waybillStrict = waybill(
  'strict',
  'verifies each body against its pinned digest before the client has all of it; hashes, stores and records durably',
);

/** The same configuration and the same inspection; bodies are not held back. */
export const waybillPermissive = waybill(
  'permissive',
  'the same inspection, hashing, storing and durable record; lets bodies through while it inspects',
);

function waybill(policy: SessionPolicy, does: string): Engine {
  return { id: `waybill-${policy}`, does, needsToKnowBodies: true, find, start: (site) => start(policy, site) };
}

async function find(): Promise<Availability> {
  try {
    return { version: /\d+\.\d+\.\d+\S*/.exec(await runProgram(launcher, ['--version']))?.[0] ?? 'unknown' };
  } catch (error) {
    return { missing: `tooling/bin/fetch-service does not run: ${(error as Error).message.split('\n').at(-1)}` };
  }
}

async function start(policy: SessionPolicy, site: Site): Promise<RunningEngine> {
  const { upstream } = site;
  const [controlPort, proxyPort] = [await freePort(), await freePort()];
  const auth = `bench:${randomBytes(16).toString('hex')}`;
  const config = await writeConfiguration(site.dir);
  const program = await startProgram({
    program: launcher,
    args: [
      ...['--control-host=127.0.0.1', `--control-port=${controlPort}`],
      ...['--proxy-host=127.0.0.1', `--proxy-port=${proxyPort}`],
      ...[`--config=${config}`, `--spool=${join(site.dir, 'spool')}`, `--socket=${join(site.dir, 'socket')}`],
      ...[`--runtime-file=${join(site.dir, 'runtime.json')}`, `--upstream-ca=${upstream.caFile}`],
      ...[`--cert=${site.ca.certFile}`, `--key=${site.ca.keyFile}`, '--permissive-mode', '--verbosity=warning'],
    ],
    env: { PATH: process.env.PATH, HOME: site.dir, FETCH_SERVICE_AUTH: auth, ...profiling(site) },
    logFile: join(site.dir, 'fetch-service.log'),
    ports: [proxyPort, controlPort],
    startMs: 60_000,
  });
  const control = createControlApi(`http://127.0.0.1:${controlPort}`, auth);
  const sessions: Session[] = [];
  return {
    pid: program.pid,
    stop: program.stop,
    async route(bodies) {
      const session = await control.createSession(policy, { generic: { files: pins(upstream, bodies) } });
      sessions.push(session);
      const authorization = `Basic ${Buffer.from(`${session.id}:${session.token}`).toString('base64')}`;
      const proxy = { address: `127.0.0.1:${proxyPort}`, authorization };
      return { proxy, host: upstream.host, port: upstream.port, ca: [site.ca.certPem] };
    },
    async finish(downloads) {
      const found = { downloads: 0, rejected: 0 };
      for (const session of sessions) {
        const counts = await control.closeSession(session);
        found.downloads += counts.downloads;
        found.rejected += counts.rejected;
      }
      if (found.downloads !== downloads || found.rejected > 0) {
        const what = `${found.downloads} downloads, ${found.rejected} of artifacts that are not approved`;
        throw new BenchError('BENCH_RECORD_INCOMPLETE', `clients completed ${downloads}; the reports hold ${what}`);
      }
    },
  };
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

/** The digest of every body that will be asked for: these small ones, or the large ones. */
function pins(
  { host, port, large, probe }: Upstream,
  bodies: BodyRange | undefined,
): { url: string; sha256: string }[] {
  const url = (path: string) => `https://${host}:${port}${path}`;
  if (!bodies) return [large, probe].map(({ path, sha256 }) => ({ url: url(path), sha256 }));
  return Array.from({ length: bodies.end - bodies.first }, (_, offset) => {
    const index = bodies.first + offset;
    return { url: url(smallPath(index)), sha256: createHash('sha256').update(smallBody(index)).digest('hex') };
  });
}

function profiling({ profileDir }: Site): NodeJS.ProcessEnv {
  return profileDir === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDir}` };
}
