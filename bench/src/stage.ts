import { rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BenchError } from './bench-error.ts';
import { type Driver, startDriver } from './load/driver.ts';
import { type HostNames, startHostNames } from './names/host-names.ts';
import type { Plan } from './plan.ts';
import { startUpstream, type Upstream } from './upstream/start-upstream.ts';
import { type Certificate, createThrowAwayCa } from './upstream/throw-away-ca.ts';

/** Tells people how far it is. */
export type Say = (line: string) => void;

export interface StageOptions {
  readonly workDir: string;
  /** Leave the directory. */
  readonly keep: boolean;
  readonly driverCores: number | undefined;
  readonly plan: Plan;
}

/** What every engine meets: driver, upstream, root CA, host names. */
export interface Stage {
  readonly dir: string;
  readonly driver: Driver;
  readonly upstream: Upstream;
  readonly ca: Certificate;
  readonly names: HostNames | { readonly missing: string };
}

/**
 * Sets the stage in a directory of its own, and clears it away whatever comes.
 * @throws BenchError `BENCH_USAGE`, `BENCH_PROGRAM_MISSING`, `BENCH_PROGRAM_FAILED`
 */
export async function withStage<T>(options: StageOptions, say: Say, run: (stage: Stage) => Promise<T>): Promise<T> {
  const { plan, keep, driverCores } = options;
  const dir = await makeWorkDirectory(options.workDir);
  // Also when a signal ends the benchmark; the programs that write there end the same way (processes/start-program.ts).
  const remove = () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  if (!keep) process.once('exit', remove);
  const cleanUp: (() => unknown)[] = [() => (keep ? say(`kept ${dir}`) : remove())];
  try {
    // squid gives up root's account for one that has to reach its own directory below this one.
    await chmod(dir, 0o711);
    const driver = await startDriver(dir, driverCores ?? (availableParallelism() >= 4 ? 2 : 1));
    cleanUp.push(() => driver.stop());
    const names = await startHostNames(dir);
    if ('suffix' in names) cleanUp.push(() => names.stop());
    const hostSuffix = 'suffix' in names ? names.suffix : undefined;
    say('starting nginx and writing its large bodies');
    const place = join(dir, 'upstream');
    await mkdir(place);
    const upstream = await startUpstream({ dir: place, hostSuffix, ...plan });
    cleanUp.push(() => upstream.stop());
    const ca = await createThrowAwayCa(dir, 'bench-root');
    return await run({ dir, driver, upstream, ca, names });
  } finally {
    for (const step of cleanUp.reverse()) await step();
  }
}

async function makeWorkDirectory(parent: string): Promise<string> {
  return mkdtemp(join(parent, 'waybill-bench-')).catch((cause: Error) => {
    throw new BenchError('BENCH_USAGE', `nothing can be written in ${parent}: ${cause.message}`, {
      cause,
      hint: 'name a directory on a disk with --work-dir',
    });
  });
}
