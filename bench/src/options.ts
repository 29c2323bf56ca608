import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { BenchError } from './bench-error.ts';
import { engines } from './engines/list.ts';
import { fullPlan, type Plan, quickPlan } from './plan.ts';
import { works } from './works/list.ts';

export interface Options {
  readonly help: boolean;
  readonly kind: 'quick' | 'full' | 'custom';
  readonly plan: Plan;
  readonly engineIds: readonly string[];
  readonly workIds: readonly string[];
  readonly driverCores: number | undefined;
  readonly workDir: string;
  readonly save: boolean;
  readonly keep: boolean;
  readonly profileDir: string | undefined;
}

export const help = `Usage: pnpm bench [options]

Measures the proxy of fetch-service beside others on the same upstream and prints ratios.
bench/setup.sh installs what it is compared with; what is not installed is left out.

  --quick              3 short rounds with a body of 128 MiB, less than five minutes (default: 5 rounds, 1 GiB)
  --rounds N           number of rounds
  --engines A,B        only these: ${engines.map(({ id }) => id).join(', ')}
  --works A,B          only these: ${works.map(({ id }) => id).join(', ')}
  --driver-cores N     cores that the load driver may use at once (default: 1, with 4 cores or more 2)
  --work-dir DIR       where bodies and spools lie while it runs (default: /var/tmp); a disk, not a tmpfs
  --no-save            do not write bench/results/<date>-<machine>.json
  --keep               leave the work directory, with all logs, and name it
  --profile DIR        write CPU profiles of fetch-service there (its numbers then do not count)
  --help               this text
`;

/**
 * Reads the command line.
 * @throws BenchError `BENCH_USAGE`
 */
export function parseOptions(args: readonly string[]): Options {
  const values = parse(args);
  const base = values.quick ? quickPlan : fullPlan;
  const plan = { ...base, rounds: count('--rounds', values.rounds) ?? base.rounds };
  const engineIds = choose('--engines', values.engines, engines);
  const workIds = choose('--works', values.works, works);
  const custom = values.rounds ?? values.engines ?? values.works;
  return {
    help: values.help ?? false,
    kind: custom !== undefined ? 'custom' : values.quick ? 'quick' : 'full',
    plan,
    engineIds,
    workIds,
    driverCores: count('--driver-cores', values['driver-cores']),
    workDir: values['work-dir'] ?? '/var/tmp',
    save: !values['no-save'] && values.profile === undefined,
    keep: values.keep ?? false,
    profileDir: values.profile === undefined ? undefined : resolve(values.profile),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: args.filter((arg) => arg !== '--'),
      options: {
        quick: { type: 'boolean' },
        rounds: { type: 'string' },
        engines: { type: 'string' },
        works: { type: 'string' },
        'driver-cores': { type: 'string' },
        'work-dir': { type: 'string' },
        'no-save': { type: 'boolean' },
        keep: { type: 'boolean' },
        profile: { type: 'string' },
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

function choose(option: string, text: string | undefined, all: readonly { id: string }[]): string[] {
  const known = all.map(({ id }) => id);
  const wanted = text?.split(',') ?? known;
  const stranger = wanted.find((id) => !known.includes(id));
  if (stranger === undefined) return wanted;
  throw new BenchError('BENCH_USAGE', `${option} names '${stranger}', wanted some of: ${known.join(', ')}`);
}
