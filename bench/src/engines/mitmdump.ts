import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../processes/free-port.ts';
import { runProgram, searchPath } from '../processes/run-program.ts';
import { startProgram } from '../processes/start-program.ts';
import type { Availability, Engine, RunningEngine, Site } from './engine.ts';

const addOn = fileURLToPath(new URL('hash_bodies.py', import.meta.url));
const credentials = 'bench:bench';

/** Debian's mitmproxy without its window, streaming large bodies and hashing everything. */
export const mitmdump: Engine = {
  id: 'mitmdump',
  does: 'streams bodies above 1 MiB, hashes all (sha256); asks for credentials, writes no record, verifies nothing',
  needsToKnowBodies: false,
  longWorks: false,
  find,
  start,
};

async function find(): Promise<Availability> {
  try {
    return { version: /Mitmproxy: (\S+)/.exec(await runProgram('mitmdump', ['--version']))?.[1] ?? 'unknown' };
  } catch {
    return { missing: 'mitmdump is not installed (bench/setup.sh installs mitmproxy)' };
  }
}

async function start({ dir, upstream, ca, wrap }: Site): Promise<RunningEngine> {
  const port = await freePort();
  await writeFile(join(dir, 'mitmproxy-ca.pem'), ca.keyPem + ca.certPem, { mode: 0o600 });
  await copyFile(addOn, join(dir, 'hash_bodies.py'));
  const settings = {
    confdir: dir,
    listen_host: '127.0.0.1',
    listen_port: port,
    stream_large_bodies: '1m',
    ssl_verify_upstream_trusted_ca: upstream.caFile,
    proxyauth: credentials,
    http2: false,
    flow_detail: 0,
    termlog_verbosity: 'error',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const program = await startProgram({
    name: 'mitmdump',
    ...wrap({ program: 'mitmdump', args: ['-s', join(dir, 'hash_bodies.py'), ...options] }),
    env: { PATH: searchPath, HOME: dir, LC_ALL: 'C.UTF-8' },
    logFile: join(dir, 'mitmdump.log'),
    ports: [port],
  });
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  const proxy = { address: `127.0.0.1:${port}`, authorization };
  const route = { proxy, host: upstream.host, port: upstream.port, ca: [ca.certPem] };
  return { ...program, open: async () => ({ route }) };
}
