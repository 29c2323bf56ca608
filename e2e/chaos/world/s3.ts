import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { run } from '../../test/harness/run.js';
import { until } from '../../test/harness/until.js';
import type { Chance } from './chance.js';
import type { Damage } from './ground.js';
import { ills, startS3Proxy } from './s3-proxy.js';

const script = fileURLToPath(new URL('../../../tooling/ci/s3.sh', import.meta.url));

/** An S3 server of this test alone, behind a proxy that misbehaves. */
export interface ChaosS3 {
  /** For the daemon. */
  readonly url: string;
  readonly env: NodeJS.ProcessEnv;
  /** Makes its answers late, wrong, half or none, or kills it. */
  strike(chance: Chance): Promise<Damage>;
  close(): Promise<void>;
}

export async function startChaosS3(chance: Chance): Promise<ChaosS3> {
  const started = await run(script, ['start'], { env: process.env, timeoutMs: 600_000 });
  const read = (name: string) => new RegExp(`_S3_${name}=(\\S+)`).exec(started.stdout)?.[1] ?? '';
  const [endpoint, dir] = [read('ENDPOINT'), read('DIR')];
  if (!endpoint || !dir) throw new Error(`no S3 server: ${started.stderr}${started.stdout}`);
  const proxy = await startS3Proxy(endpoint, chance);
  const parameters = new URLSearchParams({
    endpoint: proxy.endpoint,
    region: 'us-east-1',
    'path-style': 'true',
    'timeout-ms': '2000',
    'give-up-after-ms': '6000',
  });
  return {
    url: `s3://${read('BUCKET')}/chaos?${parameters}`,
    env: { AWS_ACCESS_KEY_ID: read('ACCESS_KEY'), AWS_SECRET_ACCESS_KEY: read('SECRET_KEY') },
    async strike(choice) {
      const what = choice.of([...ills, 'killed'] as const);
      if (what === 'killed') return { what, mend: await killServer(dir, endpoint) };
      proxy.suffer(what);
      return { what, mend: async () => proxy.suffer(undefined) };
    },
    async close() {
      await proxy.close();
      await run(script, ['stop', dir], { env: process.env });
    },
  };
}

/** @returns how to start it again, as it was started */
async function killServer(dir: string, endpoint: string): Promise<() => Promise<void>> {
  const pid = Number(await readFile(`${dir}/pid`, 'utf8'));
  const listOf = async (name: string) => (await readFile(`/proc/${pid}/${name}`, 'utf8')).split('\0').filter(Boolean);
  const [program = '', ...args] = await listOf('cmdline');
  const env = Object.fromEntries((await listOf('environ')).map((line) => line.split(/=(.*)/s).slice(0, 2)));
  process.kill(pid, 'SIGKILL');
  const { hostname, port } = new URL(endpoint);
  await until('the server is gone', async () => !(await isOpen(Number(port), hostname)));
  return async () => {
    const child = spawn(program, args, { env, stdio: 'ignore', detached: true });
    child.unref();
    await writeFile(`${dir}/pid`, `${child.pid}\n`);
    await until('the server is back', () => isOpen(Number(port), hostname));
  };
}

function isOpen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
