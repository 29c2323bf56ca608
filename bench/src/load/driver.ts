import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BenchError } from '../bench-error.ts';
import { runProgram, searchPath } from '../processes/run-program.ts';
import type { Job, JobResult } from './job.ts';

const source = fileURLToPath(new URL('../../load', import.meta.url));

/** The program that makes the load; one process for all engines. */
export interface Driver {
  /** Version of the compiler that built it. */
  readonly version: string;
  /**
   * Runs a job; one at a time.
   * @throws BenchError `BENCH_ANSWER_WRONG` when one answer was not what the upstream sends
   */
  run(job: Job): Promise<JobResult>;
  stop(): void;
}

/**
 * Builds load/ into `dir` and starts it. `cores` bounds what it may use at once.
 * @throws BenchError `BENCH_PROGRAM_MISSING`, `BENCH_PROGRAM_FAILED`
 */
export async function startDriver(dir: string, cores: number): Promise<Driver> {
  const program = join(dir, 'load');
  const version = /go(\d\S*)/.exec(await runProgram('go', ['version']))?.[1] ?? 'unknown';
  await runProgram('go', ['build', '-trimpath', '-o', program, '.'], source);
  const env = { PATH: searchPath, GOMAXPROCS: String(cores), GOGC: '800' };
  const child = spawn(program, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let settle: ((line: string | undefined) => void) | undefined;
  let ended = false;
  createInterface({ input: child.stdout })
    .on('line', (line) => settle?.(line))
    .on('close', () => {
      ended = true;
      settle?.(undefined);
    });
  return {
    version,
    async run(job) {
      const answer = new Promise<string | undefined>((resolve) => {
        settle = resolve;
        if (ended) resolve(undefined);
      });
      child.stdin.write(`${JSON.stringify(job)}\n`);
      const line = await answer;
      if (line === undefined) throw new BenchError('BENCH_PROGRAM_FAILED', 'the load driver ended');
      const message: JobResult | { error: string } = JSON.parse(line);
      if ('error' in message) throw new BenchError('BENCH_ANSWER_WRONG', message.error);
      return message;
    },
    stop: () => void child.kill(),
  };
}
