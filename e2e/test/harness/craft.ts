import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type RuntimeFile, runtimeFileSchema } from '@waybill/contracts';
import { type CraftProject, createCraftProject, type ProjectFiles } from './craft-project.js';
import { allowLoopback, binDir } from './daemon.js';
import type { Ran } from './run.js';
import type { Control } from './session.js';
import { createTempDir } from './temp-dir.js';
import { until } from './until.js';

/** What the user of a machine has set up. */
export interface CraftUserOptions {
  /** `inspectors.yaml` of the user, as an object. Without it craft generates one. */
  readonly inspectors?: unknown;
  /** `acl.yaml` beside it. Default {@link allowLoopback}. */
  readonly acl?: string;
  /** Registry in `~/.npmrc`. */
  readonly npmRegistry?: string;
  /** Directory that craft, and what it starts, see as `/etc/apt`. */
  readonly aptDirectory?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface CraftOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds; the run is killed after it. */
  readonly timeoutMs?: number;
}

/** A run of craft that is still going on. */
export interface CraftRun {
  /** Both streams, as they came so far. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ran>;
}

/** A user with home, configuration, state and runtime directories of their own: nothing of the machine's user is used. */
export interface CraftUser {
  readonly dir: string;
  at(...names: string[]): string;
  readonly env: NodeJS.ProcessEnv;
  /** A project in a directory of its own. */
  project(files: ProjectFiles): Promise<CraftProject>;
  /** Runs craft in a directory to its end. */
  craft(project: Pick<CraftProject, 'dir'>, args: readonly string[], options?: CraftOptions): Promise<Ran>;
  start(project: Pick<CraftProject, 'dir'>, args: readonly string[], options?: CraftOptions): CraftRun;
  /** Runs the `fetch-service` program, for its commands that end. */
  fetchService(args: readonly string[]): Promise<Ran>;
  /** Lets the daemon that is started next reach upstreams of the test. */
  allowLoopback(): Promise<void>;
  /** The daemon that runs for this user. */
  runtime(): Promise<RuntimeFile | undefined>;
  /** Its control API. */
  readonly control: Control;
  /** Ids of the sessions that are open in it. */
  activeSessions(): Promise<string[]>;
  /** Ends the daemon and removes everything. */
  close(): Promise<void>;
}

/** @see CraftUser */
export async function createCraftUser(options: CraftUserOptions = {}): Promise<CraftUser> {
  const dir = await createTempDir();
  for (const name of ['home', 'state', 'run', 'tmp']) await mkdir(dir.at(name), { mode: 0o700 });
  await mkdir(dir.at('config/waybill'), { recursive: true, mode: 0o700 });
  if (options.inspectors !== undefined) {
    await writeFile(dir.at('config/waybill/inspectors.yaml'), JSON.stringify(options.inspectors, null, 2));
    await writeFile(dir.at('config/waybill/acl.yaml'), options.acl ?? allowLoopback);
  }
  if (options.npmRegistry) await writeFile(dir.at('home/.npmrc'), `registry=${options.npmRegistry}\n`);
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: dir.at('home'),
    XDG_CONFIG_HOME: dir.at('config'),
    XDG_STATE_HOME: dir.at('state'),
    WAYBILL_RUNTIME_DIR: dir.at('run'),
    TMPDIR: dir.at('tmp'),
    ...options.env,
  };
  const start: CraftUser['start'] = (project, args, more = {}) =>
    launch('craft', args, {
      cwd: project.dir,
      env: { ...env, ...more.env },
      aptDirectory: options.aptDirectory,
      timeoutMs: more.timeoutMs,
    });
  const runtime = () => readRuntime(dir.at('run/waybill/fetch-service.json'));
  const control: Control = async (method, path, body) => {
    const running = await runtime();
    if (!running) throw new Error('no daemon runs for this user');
    return fetch(new URL(path, running['control-url']), {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(running.auth).toString('base64')}`,
        'content-type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  };
  let projects = 0;
  return {
    dir: dir.path,
    at: dir.at,
    env,
    project: (files) => createCraftProject(dir.at(`project-${++projects}`), files),
    craft: (project, args, more) => start(project, args, more).ended,
    start,
    fetchService: (args) =>
      launch('fetch-service', args, { cwd: dir.path, env, aptDirectory: options.aptDirectory }).ended,
    allowLoopback: () => writeFile(dir.at('config/waybill/acl.yaml'), allowLoopback),
    runtime,
    control,
    async activeSessions() {
      const response = await control('GET', '/status');
      const status = (await response.json()) as { 'active-sessions': { 'session-id': string }[] };
      return status['active-sessions'].map((session) => session['session-id']);
    },
    async close() {
      const running = await runtime();
      if (running) await endDaemon(running.pid, 'SIGKILL');
      await dir.close();
    },
  };
}

interface Launch {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly aptDirectory: string | undefined;
  readonly timeoutMs?: number | undefined;
}

function launch(name: string, args: readonly string[], { cwd, env, aptDirectory, timeoutMs }: Launch): CraftRun {
  const command = [
    ...(aptDirectory === undefined ? [] : seenAs(aptDirectory, '/etc/apt')),
    join(binDir, name),
    ...args,
  ];
  const [program = '', ...rest] = command;
  const child = spawn(program, rest, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const texts: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' };
  let both = '';
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      texts[name] += chunk;
      both += chunk;
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs ?? 120_000);
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, ...texts });
    });
  });
  return { output: () => both, kill: (signal) => void child.kill(signal), ended };
}

/**
 * Words that run a command with one directory in the place of another, in a mount namespace of its own: apt has no other way
 * to be given the sources of a session than the machine's `/etc/apt`, which tests must not change.
 */
function seenAs(directory: string, place: string): string[] {
  const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
  const user = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  return ['unshare', ...user, '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', directory, place];
}

async function readRuntime(file: string): Promise<RuntimeFile | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : runtimeFileSchema.parse(JSON.parse(text));
}

/** Ends a daemon that is no child of ours. */
export async function endDaemon(pid: number, signal: NodeJS.Signals): Promise<void> {
  try {
    process.kill(pid, signal);
  } catch {
    return;
  }
  await until(`process ${pid} is gone`, async () => !(await isRunning(pid)));
}

/** One that ended but that nobody waited for is gone as well: its parent, craft, is long gone. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

/** Starts a daemon for a user as they would by hand: on chosen ports, in a terminal of its own. */
export async function startDaemonByHand(
  user: CraftUser,
  ports: { readonly control: number; readonly proxy: number },
): Promise<{ readonly pid: number; close(): Promise<void> }> {
  const file = user.at('run/waybill/fetch-service.json');
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const child = spawn(
    join(binDir, 'fetch-service'),
    [
      `--control-port=${ports.control}`,
      `--proxy-port=${ports.proxy}`,
      `--config=${user.at('config/waybill')}`,
      `--spool=${user.at('spool-by-hand')}`,
      '--permissive-mode',
    ],
    { env: { ...user.env, FETCH_SERVICE_AUTH: 'hand:made' }, stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => child.once('close', resolve));
  await until('the daemon is ready', async () => {
    if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}`);
    return (await readRuntime(file))?.pid === child.pid;
  });
  return {
    pid: child.pid ?? 0,
    async close() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
