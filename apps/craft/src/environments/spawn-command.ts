import { spawn } from 'node:child_process';
import { CraftError } from '../errors.js';
import type { BuildCommand, CommandResult } from './environment.js';

export interface SpawnOptions {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/**
 * Runs a program in a process group of its own and ends the whole group when the command's signal aborts. Rejects only when
 * it could not be started.
 */
export function spawnCommand(command: BuildCommand, options: SpawnOptions): Promise<CommandResult> {
  const [program, ...args] = options.argv;
  return new Promise((resolve, reject) => {
    command.signal.throwIfAborted();
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // The group is gone already.
      }
    };
    command.signal.addEventListener('abort', end, { once: true });
    child.stdout.on('data', command.onStdout);
    child.stderr.on('data', command.onStderr);
    child.stdin.on('error', () => undefined);
    child.stdin.end(command.stdin ?? '');
    child.once('error', (cause) => {
      command.signal.removeEventListener('abort', end);
      reject(
        new CraftError('CRAFT_ENVIRONMENT_UNAVAILABLE', `cannot run ${program} in ${options.cwd}: ${cause.message}`, {
          cause,
        }),
      );
    });
    // What the command left running in the background must not outlive the step, nor keep its output open.
    child.once('exit', end);
    child.once('close', (exitCode, signal) => {
      command.signal.removeEventListener('abort', end);
      resolve({ exitCode, signal });
    });
  });
}
