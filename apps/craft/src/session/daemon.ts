import { spawn } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RuntimeFile, redactText } from '@waybill/contracts';
import { CraftError } from '../errors.js';
import { createControlClient } from './control-client.js';
import { prepareConfiguration } from './daemon-configuration.js';
import type { DaemonOptions } from './daemon-options.js';
import { type DaemonProgram, findDaemonProgram } from './daemon-program.js';
import type { WaybillDirectories } from './directories.js';
import { isAlive, readRuntimeFile } from './runtime-file.js';
import { withLock } from './start-lock.js';

/** A daemon that answers and serves the CA it claims. */
export interface Daemon {
  readonly runtime: RuntimeFile;
  readonly caPem: string;
}

const startMs = 30_000;
const idleShutdownSeconds = 300;

/**
 * The running daemon, or one that is started: with free ports, a secret of its own, bound to loopback, and gone five minutes
 * after its last use. It is shared by craft runs and never stopped by one of them.
 * @throws CraftError CRAFT_DAEMON_UNTRUSTED, CRAFT_DAEMON_MISSING, CRAFT_DAEMON_START_FAILED, CRAFT_CONFIG_INVALID
 */
export async function ensureDaemon(options: DaemonOptions): Promise<Daemon> {
  const running = await findDaemon(options.directories.runtimeFile);
  if (running) return running;
  const program = findDaemonProgram(options.env);
  return withLock(
    join(options.directories.state, 'start.lock'),
    'is starting the fetch service',
    startMs * 2,
    async () => {
      const other = await findDaemon(options.directories.runtimeFile);
      if (other) return other;
      options.progress.task('starting the fetch service');
      return startDaemon(program, options);
    },
  );
}

/**
 * The daemon that the runtime file names, if it is alive, answers, and serves the CA that the file names.
 * @throws CraftError CRAFT_DAEMON_UNTRUSTED
 */
export async function findDaemon(runtimeFile: string): Promise<Daemon | undefined> {
  const runtime = await readRuntimeFile(runtimeFile);
  if (!runtime || !isAlive(runtime.pid)) return undefined;
  const client = createControlClient({
    endpoint: { url: runtime['control-url'], auth: runtime.auth },
    retryDelaysMs: [200],
  });
  try {
    await client.status();
  } catch {
    return undefined;
  }
  const caPem = await client.caPem();
  checkCa(caPem, runtime);
  return { runtime, caPem };
}

function checkCa(pem: string, runtime: RuntimeFile): void {
  const fail = (message: string) =>
    new CraftError('CRAFT_DAEMON_UNTRUSTED', `the fetch service at ${runtime['control-url']} ${message}`, {
      hint: 'stop it; the next run starts one of its own',
    });
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (cause) {
    throw new CraftError(
      'CRAFT_DAEMON_UNTRUSTED',
      `the fetch service at ${runtime['control-url']} serves no certificate as its CA`,
      { cause },
    );
  }
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  if (fingerprint !== runtime['ca-sha256'].toLowerCase()) throw fail('serves another CA than its runtime file names');
  const now = Date.now();
  if (certificate.validFromDate.getTime() > now || certificate.validToDate.getTime() < now) {
    throw fail(`has a CA that is valid from ${certificate.validFrom} to ${certificate.validTo}, which is not now`);
  }
}

async function startDaemon(program: DaemonProgram, options: DaemonOptions): Promise<Daemon> {
  const { directories, env } = options;
  await mkdir(join(directories.state, 'log'), { recursive: true, mode: 0o700 });
  const config = await prepareConfiguration(program, options);
  const logFile = join(directories.state, 'log/fetch-service.log');
  const outputFile = join(directories.state, 'log/start.log');
  const output = await open(outputFile, 'w', 0o600);
  const [file, ...first] = program;
  const child = spawn(file, [...first, ...daemonArguments(directories, config, logFile)], {
    cwd: directories.state,
    env: daemonEnvironment(env),
    stdio: ['ignore', output.fd, output.fd],
    detached: true,
  });
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended ??= code === null ? `signal ${signal}` : `exit code ${code}`;
  });
  child.unref();
  await output.close();
  const deadline = Date.now() + startMs;
  for (;;) {
    options.signal.throwIfAborted();
    const daemon = await findDaemon(directories.runtimeFile);
    if (daemon) return daemon;
    if (ended !== undefined || Date.now() >= deadline) {
      if (ended === undefined) child.kill();
      throw await startFailed(ended ?? `no answer within ${startMs / 1000} s`, [outputFile, logFile]);
    }
    await sleep(50);
  }
}

/** More than one pack downloads, little enough for a home directory. */
const spoolQuota = '16G';

/** Arguments of a daemon that craft starts. */
export function daemonArguments(directories: WaybillDirectories, config: string, logFile: string): string[] {
  const socket = join(dirname(directories.runtimeFile), 'fetchctl.socket');
  return [
    '--control-host=127.0.0.1',
    '--control-port=0',
    '--proxy-host=127.0.0.1',
    '--proxy-port=0',
    `--config=${config}`,
    `--spool=${join(directories.state, 'spool')}`,
    // Paths of sockets are short; without the option the daemon takes its default place when that is free.
    ...(Buffer.byteLength(socket) < 100 ? [`--socket=${socket}`] : []),
    '--permissive-mode',
    `--idle-shutdown=${idleShutdownSeconds}`,
    // With a quota bodies stay when their session is gone: the next pack need not download them again.
    `--spool-quota=${spoolQuota}`,
    `--log-file=${logFile}`,
  ];
}

/** The caller's environment with a fresh secret. A database that the caller names for something else is not the daemon's. */
function daemonEnvironment(env: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv {
  const { DATABASE_URL: _, ...rest } = env;
  return { ...rest, FETCH_SERVICE_AUTH: `craft:${randomBytes(32).toString('base64url')}` };
}

async function startFailed(how: string, logs: readonly string[]): Promise<CraftError> {
  const texts = await Promise.all(logs.map((log) => readFile(log, 'utf8').catch(() => '')));
  const details = texts.flatMap((text) => text.trimEnd().split('\n').slice(-10)).filter((line) => line !== '');
  return new CraftError('CRAFT_DAEMON_START_FAILED', `the fetch service did not start: ${how}`, {
    details: details.map((line) => redactText(line).slice(0, 500)),
    hint: `its logs are ${logs.join(' and ')}`,
  });
}
