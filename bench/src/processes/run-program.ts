import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { BenchError } from '../bench-error.ts';

const run = promisify(execFile);

/** Programs of the system's administrator are not on everybody's PATH. */
export const searchPath = [process.env.PATH, '/usr/local/sbin', '/usr/sbin', '/sbin'].filter(Boolean).join(':');

/**
 * Runs a short program to its end and gives what it printed on both streams.
 * @throws BenchError `BENCH_PROGRAM_MISSING`, `BENCH_PROGRAM_FAILED`
 */
export async function runProgram(program: string, args: readonly string[], cwd?: string): Promise<string> {
  try {
    const { stdout, stderr } = await run(program, [...args], { cwd, env: { ...process.env, PATH: searchPath } });
    return `${stdout}${stderr}`;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new BenchError('BENCH_PROGRAM_MISSING', `${program} is not installed`, {
        hint: 'run bench/setup.sh',
        cause,
      });
    }
    throw new BenchError('BENCH_PROGRAM_FAILED', message, { cause });
  }
}
