import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isWaybillError } from '@waybill/contracts';
import { BenchError } from '../bench-error.ts';
import { resultFileName } from '../results/machine.ts';
import { fullCachePlan, quickCachePlan } from './cache-plan.ts';
import { cacheText } from './cache-result.ts';
import { cacheServers } from './list.ts';
import { runCacheBench } from './run-cache.ts';

const results = new URL('../../results/', import.meta.url);
const tools = fileURLToPath(new URL('../../../.waybill/tools', import.meta.url));

const help = `Usage: pnpm bench:cache [options]

Stores, reads and asks in vain for bodies of several sizes over HTTP, with 1 and 64 clients, in artifact-cache and others,
and prints requests a second and their share of nginx's. Peers are installed below .waybill/tools when they can be had.

  --quick           shorter, without the body of 1 GiB
  --only A,B        only these servers: ${cacheServers.map(({ id }) => id).join(', ')}
  --rounds N        number of rounds
  --work-dir DIR    where servers keep their bodies while it runs (default: /var/tmp); a disk, not a tmpfs
  --no-save         do not write bench/results/
  --help            this text
`;

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      rounds: { type: 'string' },
      'work-dir': { type: 'string', default: '/var/tmp' },
      'no-save': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const base = values.quick ? quickCachePlan : fullCachePlan;
  const rounds = values.rounds === undefined ? base.rounds : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw usage(`--rounds ${values.rounds}: expected a number of rounds`);
  const names = values.only?.split(',');
  const unknown = names?.find((name) => !cacheServers.some(({ id }) => id === name));
  if (unknown !== undefined) throw usage(`--only: there is no server '${unknown}'`);
  const result = await runCacheBench({
    plan: { ...base, rounds },
    servers: cacheServers.filter(({ id }) => names?.includes(id) ?? true),
    workDir: values['work-dir'],
    tools,
    say: (line) => void process.stderr.write(`bench: ${line}\n`),
  });
  process.stdout.write(`\n${cacheText(result)}\n`);
  if (!values['no-save']) {
    await mkdir(results, { recursive: true });
    const kind = values.quick || values.only || values.rounds ? 'cache-quick' : 'cache';
    const file = new URL(resultFileName(result.date, result.machine, kind), results);
    await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
  }
  return result.turns.some(({ failures }) => Object.keys(failures).length > 0) ? 1 : 0;
}

function usage(message: string): BenchError {
  return new BenchError('BENCH_USAGE', message, { hint: 'pnpm bench:cache --help lists what there is' });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isOurs = isWaybillError(error);
  const text = isOurs ? `${error.message} (${error.code})${error.hint ? `\n  ${error.hint}` : ''}` : String(error);
  process.stderr.write(`bench: ${text}\n`);
  process.exitCode = isOurs && error.code === 'BENCH_USAGE' ? 64 : 1;
}
