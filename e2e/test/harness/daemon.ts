import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RuntimeFile, runtimeFileSchema } from '@waybill/contracts';
import type { ThrowawayCa } from '@waybill/testkit';
import { type Control, openSession, type Session, type SessionFields } from './session.js';
import { createTempDir } from './temp-dir.js';
import { until } from './until.js';

/** The checkout's launchers: black-box tests run the built apps as a user does. */
export const binDir = fileURLToPath(new URL('../../../tooling/bin', import.meta.url));

/** Lets the proxy reach upstreams of the test on loopback; nothing else is loosened. */
export const allowLoopback =
  'http-proxy:\n  policy: allow\n  rules:\n    - dst: [127.0.0.0/8, "::1"]\n      access: allow\n';

export interface DaemonOptions {
  /** `inspectors.yaml` as an object (JSON is YAML) or text. Default empty: nothing is allowed. */
  readonly inspectors?: unknown;
  /** Root that the daemon trusts beside the system's. */
  readonly upstreamCa?: ThrowawayCa | undefined;
  /** `acl.yaml`. Default {@link allowLoopback}. */
  readonly acl?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Default free ones. */
  readonly ports?: { readonly control: number; readonly proxy: number } | undefined;
}

/** A running daemon of the test. */
export interface Daemon {
  /** Holds `config`, `spool` and `run`. */
  readonly dir: string;
  readonly pid: number;
  readonly runtime: RuntimeFile;
  /** What it printed so far, restarts included. */
  output(): string;
  /** Calls the control API with its credentials. */
  readonly control: Control;
  createSession(policy: 'strict' | 'permissive', fields?: Omit<SessionFields, 'policy'>): Promise<Session>;
  /** Resolves to the exit code, or the signal that ended it. */
  kill(signal: NodeJS.Signals): Promise<number | string>;
  /** Resolves when the process is gone by itself. */
  exited(): Promise<number | string>;
  /** Starts it again on the same directories; on the same ports when they were given. */
  start(): Promise<void>;
  /** Stops it and removes its directory. */
  close(): Promise<void>;
}

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<number | string>;
  readonly runtime: RuntimeFile;
}

/** Starts the built daemon with its own directories and waits until it is ready. */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const dir = await createTempDir();
  for (const name of ['config', 'spool', 'run']) await mkdir(dir.at(name), { mode: 0o700 });
  const { inspectors = {} } = options;
  await writeFile(
    dir.at('config', 'inspectors.yaml'),
    typeof inspectors === 'string' ? inspectors : JSON.stringify(inspectors, null, 2),
  );
  await writeFile(dir.at('config', 'acl.yaml'), options.acl ?? allowLoopback);
  if (options.upstreamCa) await writeFile(dir.at('upstream-ca.pem'), options.upstreamCa.certificatePem);
  const auth = `craft:${randomBytes(9).toString('hex')}`;
  const output: string[] = [];
  const launch = () => spawnReady(dir.path, auth, options, (text) => output.push(text));
  let running = await launch().catch(async (cause: unknown) => {
    await dir.close();
    throw cause;
  });

  const control: Control = (method, path, body) =>
    fetch(new URL(path, running.runtime['control-url']), {
      method,
      redirect: 'manual',
      headers: {
        authorization: `Basic ${Buffer.from(running.runtime.auth).toString('base64')}`,
        'content-type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const kill = async (signal: NodeJS.Signals) => {
    running.child.kill(signal);
    return running.exited;
  };
  return {
    dir: dir.path,
    get pid() {
      return running.runtime.pid;
    },
    get runtime() {
      return running.runtime;
    },
    output: () => output.join(''),
    control,
    createSession: (policy, fields = {}) =>
      openSession(
        control,
        { proxyOrigin: running.runtime['proxy-url'], caFile: running.runtime['ca-file'] },
        { policy, ...fields },
      ),
    kill,
    exited: () => running.exited,
    async start() {
      running = await launch();
    },
    async close() {
      const timer = setTimeout(() => running.child.kill('SIGKILL'), 15_000);
      await kill('SIGTERM');
      clearTimeout(timer);
      await dir.close();
    },
  };
}

async function spawnReady(
  dir: string,
  auth: string,
  options: DaemonOptions,
  onOutput: (text: string) => void,
): Promise<Running> {
  const runtimeFile = join(dir, 'run', 'fetch-service.json');
  await rm(runtimeFile, { force: true });
  const child = spawn(
    join(binDir, 'fetch-service'),
    [
      `--control-port=${options.ports?.control ?? 0}`,
      `--proxy-port=${options.ports?.proxy ?? 0}`,
      '--control-host=127.0.0.1',
      '--proxy-host=127.0.0.1',
      `--config=${join(dir, 'config')}`,
      `--spool=${join(dir, 'spool')}`,
      `--runtime-file=${runtimeFile}`,
      `--socket=${join(dir, 'run', 'fetchctl.socket')}`,
      '--permissive-mode',
      ...(options.upstreamCa ? [`--upstream-ca=${join(dir, 'upstream-ca.pem')}`] : []),
      ...(options.args ?? []),
    ],
    {
      env: {
        PATH: process.env.PATH,
        HOME: dir,
        TMPDIR: process.env.TMPDIR,
        FETCH_SERVICE_AUTH: auth,
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      onOutput(chunk);
    });
  }
  const exited = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'gone')),
  );
  const isGone = () => child.exitCode !== null || child.signalCode !== null;
  try {
    await until('the daemon is ready', () => existsSync(runtimeFile) || isGone());
    if (isGone()) throw new Error(`the daemon ended (${await exited})`);
  } catch (cause) {
    child.kill('SIGKILL');
    await exited;
    throw new Error(`${(cause as Error).message}:\n${text}`);
  }
  const runtime = runtimeFileSchema.parse(JSON.parse(await readFile(runtimeFile, 'utf8')));
  return { child, exited, runtime };
}
