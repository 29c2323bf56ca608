import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { binDir } from './daemon.js';
import { freePorts } from './ports.js';
import { type Ran, run } from './run.js';
import { createTempDir } from './temp-dir.js';
import { until } from './until.js';

export interface CacheServerOptions {
  /** Sections of the configuration beside `listen` and `storage`. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** What callers without credentials may do. Default `none`. */
  readonly anonymous?: 'none' | 'read' | 'write' | undefined;
}

/** A running artifact-cache of the test, as a user starts it. */
export interface CacheServer {
  readonly dir: string;
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** Host and port. */
  readonly authority: string;
  /** What it printed so far. */
  output(): string;
  /** Makes a token for a principal with rights, `NAMESPACE=RIGHT`. */
  token(principal: string, ...rights: readonly string[]): Promise<string>;
  /** Another command of the program over the same store. */
  command(...args: readonly string[]): Promise<Ran>;
  /** Value of a counter, summed over the series whose labels have all these values. */
  metric(name: string, ...values: readonly string[]): Promise<number>;
  close(): Promise<void>;
}

const program = join(binDir, 'artifact-cache');

/** Starts the built server with its own directory and waits until it is ready. */
export async function startCacheServer(options: CacheServerOptions = {}): Promise<CacheServer> {
  const dir = await createTempDir();
  const { control: port } = await freePorts();
  const authority = `127.0.0.1:${port}`;
  const origin = `http://${authority}`;
  const configFile = dir.at('config.yaml');
  // JSON is YAML.
  await writeFile(
    configFile,
    JSON.stringify({
      listen: [{ address: authority, anonymous: options.anonymous ?? 'none' }],
      namespaces: { '*': {} },
      storage: { blobs: `file:${dir.at('blobs')}`, database: `file:${dir.at('index.sqlite')}` },
      ...options.config,
    }),
  );
  const env = { PATH: process.env.PATH, HOME: dir.path };
  const command = (...args: readonly string[]) => run(program, [...args, '--config', configFile], { env });
  const child = spawn(program, ['serve', '--config', configFile], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  await until('artifact-cache is ready', async () => {
    if (child.exitCode !== null) throw new Error(`artifact-cache ended with ${child.exitCode}:\n${output}`);
    return await isReady(origin);
  });
  return {
    dir: dir.path,
    origin,
    authority,
    output: () => output,
    command,
    async token(principal, ...rights) {
      const grants = rights.flatMap((right) => ['--grant', right]);
      const made = await command('token', 'create', principal, ...grants);
      const token = made.stdout.trim().split(/\s+/).at(-1);
      if (made.code !== 0 || !token) throw new Error(`token create ${principal}: ${made.stderr}`);
      return token;
    },
    async metric(name, ...values) {
      const text = await (await fetch(`${origin}/metrics`)).text();
      return text
        .split('\n')
        .filter((line) => line.startsWith(`${name}{`) && values.every((value) => line.includes(`"${value}"`)))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
    async close() {
      await stop(child);
      await dir.close();
    },
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await exited;
  clearTimeout(timer);
}

async function isReady(origin: string): Promise<boolean> {
  const response = await fetch(`${origin}/readyz`).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status === 200;
}
