import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { SetupError } from './fail.mjs';

/**
 * Runs a program with the caller's terminal. `quiet` keeps its output back and shows it only when it fails.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, quiet?: boolean, stdio?: import('node:child_process').StdioOptions }} options
 * @returns {Promise<number>} the exit code; a death by signal counts as 128 + signal, as shells do
 */
export function runCommand(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      // stdout stays free for the result of the command that set-up precedes.
      stdio: options.quiet ? ['ignore', 'pipe', 'pipe'] : (options.stdio ?? ['inherit', 2, 2]),
    });
    const stopListening = standBack(child);
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-64 * 1024);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('error', (error) => {
      stopListening();
      reject(new SetupError(`cannot start '${command}': ${error.message}`, `Check that '${command}' is installed.`));
    });
    child.on('close', (code, signal) => {
      stopListening();
      const status = code ?? 128 + constants.signals[signal];
      if (options.quiet && status !== 0) process.stderr.write(output);
      resolve(status);
    });
  });
}

/** Signals are the child's to answer: Ctrl-C reaches it from the terminal, SIGTERM is passed on, and we wait for its end. */
function standBack(child) {
  const ignore = () => {};
  const pass = () => child.kill('SIGTERM');
  process.on('SIGINT', ignore);
  process.on('SIGTERM', pass);
  return () => {
    process.off('SIGINT', ignore);
    process.off('SIGTERM', pass);
  };
}
