import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../../test/harness/run.js';
import { until } from '../../test/harness/until.js';
import type { Chance } from './chance.js';
import type { Damage } from './ground.js';
import { childrenOf } from './processes.js';

const script = fileURLToPath(new URL('../../../tooling/ci/postgres.sh', import.meta.url));

/** A PostgreSQL server of this test alone. */
export interface ChaosPostgres {
  readonly url: string;
  /** Stops it, hangs it, or ends its connections. */
  strike(chance: Chance): Promise<Damage>;
  close(): Promise<void>;
}

export async function startChaosPostgres(): Promise<ChaosPostgres> {
  const started = await run(script, ['start'], { env: process.env });
  const [, url, dir] = /_URL=(\S+)\nexport \S+_DIR=(\S+)/.exec(started.stdout) ?? [];
  if (url === undefined || dir === undefined) throw new Error(`no PostgreSQL: ${started.stderr}${started.stdout}`);
  const pid = async () => Number.parseInt(await readFile(`${dir}/data/postmaster.pid`, 'utf8'), 10);
  const isGone = async (process: number) =>
    (await readFile(`/proc/${process}/stat`, 'utf8').catch(() => ') X')).includes(') X');

  async function stop(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void> {
    const server = await pid();
    const children = await childrenOf(server);
    process.kill(server, signal);
    for (const one of [server, ...children]) await until('the server is gone', () => isGone(one));
  }

  /** `restart` remembers the options of the first start, and does not mind that nothing runs. */
  async function start(): Promise<void> {
    await until('the server is back', async () => {
      const words = [`${await binaries(dir as string)}/pg_ctl`, `--pgdata=${dir}/data`, `--log=${dir}/server.log`];
      const ran = await asServerUser([...words, '--wait', '--timeout=60', 'restart'], dir as string);
      return ran.code === 0;
    });
  }

  return {
    url,
    async strike(chance) {
      const how = chance.weighted({ fast: 3, immediate: 3, killed: 2, hung: 3, cut: 2 });
      if (how === 'hung') {
        const server = await pid();
        const processes = [server, ...(await childrenOf(server))];
        for (const one of processes) signal(one, 'SIGSTOP');
        const mend = async () => {
          for (const one of processes) signal(one, 'SIGCONT');
        };
        return { what: how, mend };
      }
      if (how === 'cut') {
        // Backends that serve a client; the server itself is not disturbed by their end.
        for (const one of await childrenOf(await pid())) if (await isBackend(one)) signal(one, 'SIGTERM');
        return { what: how, mend: async () => {} };
      }
      await stop(({ fast: 'SIGINT', immediate: 'SIGQUIT', killed: 'SIGKILL' } as const)[how]);
      return { what: how, mend: start };
    },
    async close() {
      await run(script, ['stop', dir], { env: process.env });
    },
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended meanwhile.
  }
}

async function isBackend(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).startsWith('postgres: waybill');
}

async function binaries(dir: string): Promise<string> {
  const options = await readFile(`${dir}/data/postmaster.opts`, 'utf8');
  return options.slice(0, options.indexOf('/postgres '));
}

function asServerUser(words: readonly string[], cwd: string) {
  const [program = '', ...args] = process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--', ...words] : words;
  return run(program, args, { cwd });
}
