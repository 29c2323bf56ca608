import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { freePorts } from './ports.js';
import { createTempDir } from './temp-dir.js';
import { until } from './until.js';

/** A replica behind the balancer. */
export interface Member {
  readonly control: number;
  readonly proxy: number;
}

/** nginx with deploy/nginx/waybill.conf, which hands TCP connections to two replicas. */
export interface Balancer {
  /** `http://127.0.0.1:port` */
  readonly controlOrigin: string;
  readonly proxyOrigin: string;
  /** From when this resolves, new connections go to these only; those that are open stay where they are. */
  use(members: readonly Member[]): Promise<void>;
  close(): Promise<void>;
}

const shipped = fileURLToPath(new URL('../../../deploy/nginx/waybill.conf', import.meta.url));

/** @param members the two replicas that the shipped file names `fetch-a` and `fetch-b` */
export async function startBalancer(members: readonly [Member, Member]): Promise<Balancer> {
  const dir = await createTempDir();
  const ports = await freePorts();
  const config = dir.at('nginx.conf');
  const text = await readFile(shipped, 'utf8');
  const write = (used: readonly Member[]) =>
    writeFile(config, configOf(text, { members, used, ports, pid: dir.at('pid') }));
  await write(members);
  const child = spawn('nginx', ['-e', 'stderr', '-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const master = child.pid ?? 0;
  try {
    await until('nginx serves', async () => {
      if (child.exitCode !== null) throw new Error(`nginx ended: ${said}`);
      return (await serving(master)).length > 0;
    });
  } catch (cause) {
    child.kill('SIGKILL');
    await dir.close();
    throw cause;
  }
  return {
    controlOrigin: `http://127.0.0.1:${ports.control}`,
    proxyOrigin: `http://127.0.0.1:${ports.proxy}`,
    async use(used) {
      await write(used);
      const before = new Set(await serving(master));
      child.kill('SIGHUP');
      await until('nginx serves with the new configuration', async () => {
        const now = await serving(master);
        return now.length > 0 && !now.some((pid) => before.has(pid));
      });
    },
    async close() {
      // At once: connections of clients that are through may still be open.
      child.kill('SIGTERM');
      await exited;
      await dir.close();
    },
  };
}

/** Who follows docs/scaling.md marks a replica `down` and has nginx read its file again. */
function configOf(
  text: string,
  { members, used, ports, pid }: { members: readonly Member[]; used: readonly Member[]; ports: Member; pid: string },
): string {
  const names = { 9999: 'control', 9988: 'proxy' } as const;
  const nameOf = (port: string) => names[Number(port) as keyof typeof names];
  const changed = text
    .replace('worker_processes auto;', 'worker_processes 1; daemon off;')
    .replace('/tmp/nginx.pid', pid)
    .replace(/listen (\d+);/g, (_all, port: string) => `listen 127.0.0.1:${ports[nameOf(port)]};`)
    .replace(/server fetch-([ab]):(\d+)/g, (_all, letter: string, port: string) => {
      const member = members[letter === 'a' ? 0 : 1] as Member;
      return `server 127.0.0.1:${member[nameOf(port)]}${used.includes(member) ? '' : ' down'}`;
    });
  if (/fetch-[ab]|listen \d+;/.test(changed)) throw new Error(`not all of deploy/nginx was understood:\n${changed}`);
  return changed;
}

/** Workers that take connections: those of an earlier configuration say that they are shutting down. */
async function serving(master: number): Promise<number[]> {
  const children = await readFile(`/proc/${master}/task/${master}/children`, 'utf8').catch(() => '');
  const found: number[] = [];
  for (const pid of children.split(' ').filter(Boolean).map(Number)) {
    const title = (await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')).replaceAll('\0', '');
    if (title.trim() === 'nginx: worker process') found.push(pid);
  }
  return found;
}
