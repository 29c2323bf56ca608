import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchError } from '../bench-error.ts';

export interface ProgramOptions {
  /** For people, where another program starts it. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Where its output goes; shown when it fails. */
  readonly logFile: string;
  /** The program is up when somebody listens on all of these. */
  readonly ports: readonly number[];
  readonly startMs?: number;
}

/** A program in a process group of its own. */
export interface RunningProgram {
  readonly pid: number;
  /** Asks the group to end, and makes it after a while. Safe to call twice. */
  stop(): Promise<void>;
}

const groups = new Set<number>();
process.once('exit', () => {
  for (const group of groups) signal(group, 'SIGKILL');
});

/**
 * Starts a program and waits until it listens. The group dies with the benchmark, however that ends.
 * @throws BenchError `BENCH_PROGRAM_FAILED`
 */
export async function startProgram(options: ProgramOptions): Promise<RunningProgram> {
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.program, options.args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let ended: string | undefined;
  const over = new Promise<void>((resolve) => {
    const end = (how: string) => {
      ended = how;
      resolve();
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, name) => end(`ended with ${name ?? `status ${code}`}`));
  });
  const { pid } = child;
  if (pid !== undefined) groups.add(pid);
  const stop = async () => {
    if (pid === undefined || !groups.has(pid)) return;
    signal(pid, 'SIGTERM');
    await Promise.race([over, sleep(5_000, undefined, { ref: false })]);
    signal(pid, 'SIGKILL');
    await over;
    groups.delete(pid);
  };
  const deadline = Date.now() + (options.startMs ?? 20_000);
  while (!(await Promise.all(options.ports.map(isListening))).every(Boolean)) {
    if (ended !== undefined || Date.now() > deadline) {
      await stop();
      throw failed(options, ended ?? 'did not listen in time');
    }
    await sleep(25);
  }
  return { pid: pid as number, stop };
}

function failed(options: ProgramOptions, what: string): BenchError {
  const tail = readFileSync(options.logFile, 'utf8').trim().split('\n').slice(-8).join('\n');
  return new BenchError('BENCH_PROGRAM_FAILED', `${options.name} ${what}:\n${tail}`);
}

function signal(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch {
    // The group is gone already.
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
