import { execFile, execFileSync } from 'node:child_process';

/** How a program ended. */
export interface Outcome {
  readonly code: number | string;
  readonly output: string;
}

/** Whether a program can be run: a stand-in on PATH that has nothing behind it does not count. */
export function isInstalled([program, ...args]: readonly [string, ...string[]]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore', timeout: 30_000 });
    return true;
  } catch (error) {
    // Some know no such option, and are there.
    return program === 'certutil' && (error as NodeJS.ErrnoException).code !== 'ENOENT';
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
