import { spawn } from 'node:child_process';
import { Writable } from 'node:stream';
import { CraftError } from '../errors.js';
import type { BuildCommand, CommandResult } from './environment.js';

export interface SpawnOptions {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What the program reads on descriptor 3 and those that follow. */
  readonly inputs?: readonly (string | Uint8Array)[] | undefined;
  /** Ends the command as its own signal does: the environment is closed. */
  readonly closing?: AbortSignal | undefined;
}

/** How long output may stay open after the command has ended: something it started has not, and holds it. */
const lingerMs = 2000;

/**
 * Runs a program in a process group of its own and ends the whole group when the command's signal aborts. Rejects only when
 * it could not be started.
 */
export function spawnCommand(command: BuildCommand, options: SpawnOptions): Promise<CommandResult> {
  const [program, ...args] = options.argv;
  const { inputs = [] } = options;
  const signal = AbortSignal.any([command.signal, ...(options.closing ? [options.closing] : [])]);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...options.env },
      stdio: ['pipe', 'pipe', 'pipe', ...inputs.map(() => 'pipe' as const)],
      detached: true,
    });
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // The group is gone already.
      }
    };
    signal.addEventListener('abort', end, { once: true });
    child.stdout?.on('data', command.onStdout);
    child.stderr?.on('data', command.onStderr);
    feed(child.stdin, command.stdin);
    inputs.forEach((input, index) => {
      feed((child.stdio as readonly unknown[])[3 + index], input);
    });
    child.once('error', (cause) => {
      signal.removeEventListener('abort', end);
      reject(
        new CraftError('CRAFT_ENVIRONMENT_UNAVAILABLE', `cannot run ${program} in ${options.cwd}: ${cause.message}`, {
          cause,
        }),
      );
    });
    child.once('exit', () => {
      // What the command left running in the background must not outlive the step, nor keep its output open.
      end();
      const linger = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, lingerMs);
      child.once('close', () => clearTimeout(linger));
    });
    child.once('close', (exitCode, signalName) => {
      signal.removeEventListener('abort', end);
      resolve({ exitCode, signal: signalName });
    });
  });
}

/** Writes all of a text; a reader that does not want it is no error. */
function feed(stream: unknown, text: string | Uint8Array | undefined): void {
  if (!(stream instanceof Writable)) return;
  stream.on('error', () => undefined);
  stream.end(text ?? '');
}
