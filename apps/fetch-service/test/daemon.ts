import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type CreateSessionResponse,
  type RuntimeFile,
  runtimeFileSchema,
  type SessionReport,
  sessionReportSchema,
} from '@waybill/contracts';
import { type ProgramResult, runProgram } from '@waybill/testkit';

/** The built programs: what users start. */
export const daemonFile = fileURLToPath(new URL('../dist/main.js', import.meta.url));
export const fetchctlFile = fileURLToPath(new URL('../dist/fetchctl.js', import.meta.url));

/** Lets builds reach the upstreams of tests, which lie on loopback. */
export const loopbackAcl = 'http-proxy: {rules: [{dst: [127.0.0.1], access: allow}]}\n';

/** A directory with a configuration, in which daemons are started. */
export interface Workplace {
  readonly root: string;
  readonly path: (name: string) => string;
  /** Starts a daemon on free ports and waits until it is ready. */
  start(options?: StartOptions): Promise<RunningDaemon>;
  /** Starts one that is expected to end by itself. */
  run(args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<ProgramResult>;
  remove(): Promise<void>;
}

export interface StartOptions {
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** A daemon that is ready. */
export interface RunningDaemon {
  readonly runtime: RuntimeFile;
  readonly child: ChildProcess;
  /** What it wrote so far. */
  readonly output: () => { readonly stdout: string; readonly stderr: string };
  /** Resolves to exit code or signal. */
  readonly ended: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
  /** Calls the control API with its credentials. */
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  create(body?: object): Promise<Session>;
}

/** A session with what a client of it does. */
export interface Session extends CreateSessionResponse {
  /** Runs curl through the proxy; the body is on standard output, the status in `status`. */
  curl(url: string, ...args: string[]): Promise<ProgramResult & { readonly status: number }>;
  readonly proxyUrl: string;
  revoke(): Promise<Response>;
  report(): Promise<SessionReport>;
}

/** @param files of the configuration directory, by name */
export async function createWorkplace(
  files: Readonly<Record<string, string>> = { 'inspectors.yaml': '' },
): Promise<Workplace> {
  const root = await mkdtemp(join(tmpdir(), 'waybill-daemon-'));
  const path = (name: string) => join(root, name);
  await mkdir(path('conf'));
  for (const [name, text] of Object.entries(files)) await writeFile(path(`conf/${name}`), text);
  const running: RunningDaemon[] = [];
  const defaults = [
    `--config=${path('conf')}`,
    `--spool=${path('spool')}`,
    `--socket=${path('fetchctl.socket')}`,
    `--runtime-file=${path('runtime.json')}`,
  ];
  const clean = { PATH: process.env.PATH ?? '', FETCH_SERVICE_AUTH: 'craft:craft' };
  return {
    root,
    path,
    async start({ args = [], environment = {} } = {}) {
      await rm(path('runtime.json'), { force: true });
      const ports = ['--control-port=0', '--proxy-port=0', '--control-host=127.0.0.1', '--proxy-host=127.0.0.1'];
      const child = spawn(process.execPath, [daemonFile, ...ports, ...defaults, ...args], {
        env: { ...clean, ...environment },
      });
      const daemon = await ready(child, path('runtime.json'), path('spool/.waybill/ca/root-ca.pem'));
      running.push(daemon);
      return daemon;
    },
    run: (args, environment = {}) =>
      runProgram(process.execPath, [daemonFile, ...defaults, ...args], { env: { ...clean, ...environment } }),
    async remove() {
      for (const daemon of running) daemon.kill('SIGKILL');
      await Promise.all(running.map(({ ended }) => ended));
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function ready(child: ChildProcess, runtimeFile: string, caFile: string): Promise<RunningDaemon> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => (stdout += chunk));
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  const ended = new Promise<number | string>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'gone')),
  );
  for (let waited = 0; !stdout.includes('is ready'); waited += 50) {
    if (child.exitCode !== null || waited > 30_000)
      throw new Error(`the daemon did not get ready:\n${stdout}${stderr}`);
    await sleep(50);
  }
  const runtime = runtimeFileSchema.parse(JSON.parse(await readFile(runtimeFile, 'utf8')));
  const authorization = `Basic ${Buffer.from(runtime.auth).toString('base64')}`;
  const call: RunningDaemon['call'] = (method, path, body, headers = {}) =>
    fetch(`${runtime['control-url']}${path}`, {
      method,
      headers: { authorization, ...headers },
      redirect: 'manual',
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return {
    runtime,
    child,
    output: () => ({ stdout, stderr }),
    ended,
    kill: (signal) => void child.kill(signal),
    call,
    async create(body = {}) {
      const answer = await call('POST', '/session', body);
      if (answer.status !== 200) throw new Error(`no session: ${answer.status} ${await answer.text()}`);
      const created = (await answer.json()) as CreateSessionResponse;
      return sessionOf(created, { runtime, caFile, call });
    },
  };
}

/** A session that may have been created elsewhere. */
export function sessionOf(
  { id, token }: CreateSessionResponse,
  daemon: { readonly runtime: RuntimeFile; readonly caFile: string; readonly call: RunningDaemon['call'] },
): Session {
  const proxyUrl = daemon.runtime['proxy-url'].replace('://', `://${id}:${token}@`);
  return {
    id,
    token,
    proxyUrl,
    async curl(url, ...args) {
      const write = ['-sS', '-w', '%{stderr}status=%{http_code}\\n'];
      const result = await runProgram('curl', [...write, '--cacert', daemon.caFile, '-x', proxyUrl, ...args, url], {
        env: { PATH: process.env.PATH ?? '' },
      });
      return { ...result, status: Number(/status=(\d+)/.exec(result.stderr)?.[1] ?? 0) };
    },
    revoke: () => daemon.call('DELETE', `/session/${id}/token`, { token }),
    async report() {
      return sessionReportSchema.parse(await (await daemon.call('GET', `/session/${id}`)).json());
    },
  };
}
