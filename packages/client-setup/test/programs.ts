import { execFile, execFileSync } from 'node:child_process';

/** How a program ended. */
export interface Outcome {
  readonly code: number | string;
  readonly output: string;
}

/** Programs of which a stand-in may lie on PATH: rustup's cargo works only for users who have a toolchain. */
const standIns: Readonly<Record<string, string>> = { cargo: 'cargo --version' };

/** Whether a program can be started from PATH. */
export function isInstalled(program: string): boolean {
  try {
    execFileSync('/bin/sh', ['-c', standIns[program] ?? `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Runs a program with exactly this environment; never throws for how it ends. */
export function run(
  argv: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<Outcome> {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    execFile(program, args, { env, cwd, timeout: 50_000, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? error.signal ?? 'failed') : 0, output: `${stdout}${stderr}` });
    });
  });
}
