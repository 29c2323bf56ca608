import { spawn } from 'node:child_process';
import type { BuildEnvironment } from '../src/environments/environment.js';

/** Runs commands on the host without any proxy: enough for steps that need no network. */
export function plainEnvironment(): BuildEnvironment {
  return {
    kind: 'host',
    proxyUrl: '',
    run(command) {
      const [program, ...args] = command.argv;
      return new Promise((resolve, reject) => {
        const child = spawn(program, args, { cwd: command.cwd, env: { ...command.env }, detached: true });
        const stop = () => child.pid && process.kill(-child.pid, 'SIGKILL');
        command.signal.addEventListener('abort', stop);
        child.stdout.on('data', command.onStdout);
        child.stderr.on('data', command.onStderr);
        child.on('error', reject);
        child.on('close', (exitCode, signal) => {
          command.signal.removeEventListener('abort', stop);
          resolve({ exitCode, signal });
        });
        child.stdin.on('error', () => {});
        child.stdin.end(command.stdin ?? '');
      });
    },
    async close() {},
  };
}
