import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { BenchError } from './bench-error.ts';
import type { Engine } from './engines/engine.ts';
import { engines, scalingEngines } from './engines/list.ts';
import { fullPlan, type Plan, quickPlan, scalingPlan } from './plan.ts';
import type { BenchKind } from './results/bench-result.ts';
import { scalingWorks, works } from './works/list.ts';
import type { Work } from './works/work.ts';

export interface Options {
  readonly help: boolean;
  readonly kind: BenchKind;
  readonly plan: Plan;
  readonly engines: readonly Engine[];
  readonly works: readonly Work[];
  readonly processes: number | undefined;
  readonly driverCores: number | undefined;
  readonly workDir: string;
  readonly save: boolean;
  readonly keep: boolean;
  readonly profileDir: string | undefined;
  /** Draw this file of results anew instead of measuring. */
  readonly render: string | undefined;
  readonly micro: boolean;
  readonly reuse: boolean;
  /** Minutes of mixed load in which nothing may grow. */
  readonly soak: number | undefined;
}

export const help = `Usage: pnpm bench [options]

Measures the proxy of fetch-service beside others on the same upstream and prints ratios.
bench/setup.sh installs what it is compared with; what is not installed is left out.

  --quick              short rounds with a body of 128 MiB, less than five minutes (default: a quarter of an hour, 1 GiB)
  --only A,B           only these engines and works, mixed; of which none is named, all are taken
                       engines: ${names(engines)}
                       works: ${names(works)}
  --scaling            our daemon with 1, 2 and 4 processes instead of different engines
  --reuse              npm ci of several hundred packages, straight and in a second session (needs a registry, once)
  --micro              session creation and a report of 100 000 artifacts instead of load
  --soak MINUTES       mixed load instead; fails when memory, open files or the event loop's delay grow
  --processes N        processes of our daemon (its own option of that name)
  --rounds N           number of rounds
  --driver-cores N     cores that the load driver may use at once (default: 1, with 4 cores or more 2)
  --work-dir DIR       where bodies and spools lie while it runs (default: /var/tmp); a disk, not a tmpfs
  --no-save            do not write bench/results/ and what docs/ show of it
  --keep               leave the work directory, with all logs, and name it
  --profile DIR        write CPU profiles of fetch-service there (its numbers then do not count)
  --render FILE        measure nothing; write what docs/ show from this file of bench/results/
  --help               this text
`;

/**
 * Reads the command line.
 * @throws BenchError `BENCH_USAGE`
 */
export function parseOptions(args: readonly string[]): Options {
  const values = parse(args);
  const { scaling = false, micro = false, reuse = false } = values;
  const size = values.quick ? quickPlan : fullPlan;
  const base = scaling ? scalingPlan(size) : size;
  const plan = { ...base, rounds: count('--rounds', values.rounds) ?? base.rounds };
  const chosen = choose(values.only, scaling ? scalingEngines : engines, scaling ? scalingWorks : works);
  const isCustom = [values.rounds, values.only, values.processes].some((value) => value !== undefined);
  return {
    help: values.help ?? false,
    kind: isCustom ? 'custom' : scaling ? 'scaling' : values.quick ? 'quick' : 'full',
    plan,
    ...chosen,
    processes: count('--processes', values.processes),
    driverCores: count('--driver-cores', values['driver-cores']),
    workDir: values['work-dir'] ?? '/var/tmp',
    save: !values['no-save'] && values.profile === undefined,
    keep: values.keep ?? false,
    profileDir: values.profile === undefined ? undefined : resolve(values.profile),
    render: values.render,
    micro,
    reuse,
    soak: count('--soak', values.soak),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: args.filter((arg) => arg !== '--'),
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string' },
        scaling: { type: 'boolean' },
        micro: { type: 'boolean' },
        reuse: { type: 'boolean' },
        soak: { type: 'string' },
        processes: { type: 'string' },
        rounds: { type: 'string' },
        'driver-cores': { type: 'string' },
        'work-dir': { type: 'string' },
        'no-save': { type: 'boolean' },
        keep: { type: 'boolean' },
        profile: { type: 'string' },
        render: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw new BenchError('BENCH_USAGE', (cause as Error).message, {
      cause,
      hint: 'pnpm bench --help lists the options',
    });
  }
}

function count(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw new BenchError('BENCH_USAGE', `${option} is '${text}', wanted a number from 1 to 999`);
}

/** Names of engines and works in one list; where it names none of a kind, all of that kind. */
function choose(text: string | undefined, allEngines: readonly Engine[], allWorks: readonly Work[]) {
  const wanted = text?.split(',') ?? [];
  const stranger = wanted.find((id) => ![...allEngines, ...allWorks].some((one) => one.id === id));
  if (stranger !== undefined) {
    const known = names([...allEngines, ...allWorks]);
    throw new BenchError('BENCH_USAGE', `--only names '${stranger}', wanted some of: ${known}`);
  }
  const some = <T extends { id: string }>(all: readonly T[]) => {
    const found = all.filter(({ id }) => wanted.includes(id));
    return found.length > 0 ? found : all;
  };
  return { engines: some(allEngines), works: some(allWorks) };
}

function names(all: readonly { id: string }[]): string {
  return all.map(({ id }) => id).join(', ');
}
