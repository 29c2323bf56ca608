import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { binDir } from '../../../test/harness/daemon.js';
import { freePorts } from '../../../test/harness/ports.js';
import { type Ran, run } from '../../../test/harness/run.js';
import { createTempDir } from '../../../test/harness/temp-dir.js';

export interface CacheServerOptions {
  /** Where bodies lie, given a directory of the server's own; default: files in it. */
  readonly blobs?: (dir: string) => string;
  /** Default: SQLite in the server's directory. */
  readonly database?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Directory of database and bodies. Default: one of the server's own. */
  readonly dir?: string;
  /** By name, as the configuration spells it. */
  readonly namespaces: Readonly<Record<string, object>>;
}

/** One process from its start to its end. */
export interface CacheLife {
  readonly pid: number;
  /** Whether it came so far that it serves; false when it ended before. */
  readonly ready: Promise<boolean>;
  readonly exited: Promise<number | string>;
  readonly isOver: boolean;
  /** What it printed last. */
  output(): string;
  /** Lines that speak of something that must not happen, whatever is broken. */
  readonly alarms: readonly string[];
  /** Resolves when the process is gone, after signals that end it. */
  kill(signal: NodeJS.Signals): Promise<number | string>;
}

/** An `artifact-cache` that is started again and again on the same directory and port. */
export interface CacheServer {
  readonly dir: string;
  readonly origin: string;
  start(): CacheLife;
  /** Runs another command of the program over the same store. */
  command(...args: readonly string[]): Promise<Ran>;
  close(): Promise<void>;
}

const program = join(binDir, 'artifact-cache');

export async function createCacheServer(options: CacheServerOptions): Promise<CacheServer> {
  const temp = await createTempDir();
  const dir = options.dir ?? temp.path;
  const { control: port } = await freePorts();
  const config = temp.at('config.yaml');
  const storage = {
    blobs: options.blobs?.(dir) ?? `file:${join(dir, 'blobs')}`,
    database: options.database ?? `file:${join(dir, 'index.sqlite')}`,
  };
  const listen = [{ address: `127.0.0.1:${port}`, anonymous: 'write' }];
  const { namespaces } = options;
  // Short leases, so that there is something to evict; still longer than a pull takes on a busy machine. JSON is YAML.
  const settings = { listen, storage, namespaces, limits: { lease: '20s' }, log: 'warn' };
  await writeFile(config, JSON.stringify(settings, null, 2));
  const origin = `http://127.0.0.1:${port}`;
  const env = { PATH: process.env.PATH, HOME: temp.path, NODE_COMPILE_CACHE: temp.at('compile-cache'), ...options.env };
  let life: CacheLife | undefined;
  return {
    dir,
    origin,
    start() {
      if (life && !life.isOver) throw new Error('the server runs already');
      const child = spawn(program, ['serve', '--config', config], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      life = watch(child, () => isReady(origin));
      return life;
    },
    command: (...args) => run(program, [...args, '--config', config], { env, timeoutMs: 300_000 }),
    async close() {
      const timer = setTimeout(() => void life?.kill('SIGKILL'), 15_000);
      if (life && !life.isOver) await life.kill('SIGTERM');
      clearTimeout(timer);
      await temp.close();
    },
  };
}

async function isReady(origin: string): Promise<boolean> {
  try {
    const response = await fetch(new URL('/readyz', origin), { signal: AbortSignal.timeout(10_000) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}

const keptOutput = 20_000;
const alarming = /no foreseen reason|unhandled|uncaught|"level":60/i;

function watch(child: ChildProcess, isServing: () => Promise<boolean>): CacheLife {
  let text = '';
  let isOver = false;
  const alarms: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-keptOutput);
      alarms.push(...chunk.split('\n').filter((line) => alarming.test(line)));
    });
  }
  const exited = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => {
      isOver = true;
      resolve(code ?? signal ?? 'gone');
    }),
  );
  const ready = (async () => {
    while (!isOver) {
      if (await isServing()) return true;
      await sleep(10);
    }
    return false;
  })();
  return {
    pid: child.pid ?? 0,
    ready,
    exited,
    get isOver() {
      return isOver;
    },
    output: () => text,
    alarms,
    kill(signal) {
      child.kill(signal);
      return exited;
    },
  };
}
