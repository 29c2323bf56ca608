import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../processes/free-port.ts';
import { startProgram } from '../processes/start-program.ts';
import type { Engine, RunningEngine, Site } from './engine.ts';

const program = fileURLToPath(new URL('bare-proxy.ts', import.meta.url));

/** The runtime's limit: the same Node, TLS contexts and upstream client as ours, and nothing else. */
export const bare: Engine = {
  id: 'bare',
  does: 'Node without anything of ours but certificates: no credentials, hashes, store, record or inspection',
  needsToKnowBodies: false,
  longWorks: true,
  find: async () => ({ version: process.versions.node }),
  start,
};

async function start({ dir, upstream, ca, wrap, profileDir }: Site): Promise<RunningEngine> {
  const port = await freePort();
  const profile = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
  // As tooling/bin/fetch-service has it.
  const heap = ['--max-semi-space-size=16', '--heap-growing-percent=40'];
  const args = [...heap, ...profile, program, String(port), ca.certFile, ca.keyFile, upstream.caFile];
  const running = await startProgram({
    name: 'bare',
    ...wrap({ program: process.execPath, args }),
    env: { PATH: process.env.PATH, HOME: dir },
    logFile: join(dir, 'bare.log'),
    ports: [port],
  });
  const proxy = { address: `127.0.0.1:${port}` };
  const route = { proxy, host: upstream.host, port: upstream.port, ca: [ca.certPem] };
  return { ...running, open: async () => ({ route }) };
}
