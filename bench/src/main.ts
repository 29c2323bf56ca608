import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isWaybillError } from '@waybill/contracts';
import { help, parseOptions } from './options.ts';
import type { BenchResult } from './results/bench-result.ts';
import { shortMachineName } from './results/machine.ts';
import { textReport } from './results/text-report.ts';
import { runBench } from './run-bench.ts';

const results = new URL('../results/', import.meta.url);

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    process.stdout.write(help);
    return 0;
  }
  const result = await runBench(options, (line) => process.stderr.write(`bench: ${line}\n`));
  process.stdout.write(`\n${textReport(result)}\n`);
  if (options.save) process.stdout.write(`\nwritten: ${await save(result)}\n`);
  return result.turns.some(({ failures }) => Object.keys(failures).length > 0) ? 1 : 0;
}

async function save(result: BenchResult): Promise<string> {
  const suffix = result.kind === 'full' ? '' : `-${result.kind}`;
  const name = `${result.date.slice(0, 10)}-${shortMachineName(result.machine)}${suffix}.json`;
  await mkdir(results, { recursive: true });
  await writeFile(fileURLToPath(new URL(name, results)), `${JSON.stringify(result, null, 2)}\n`);
  return `bench/results/${name}`;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Programs that were started end with this process (processes/start-program.ts).
  process.once(signal, () => process.exit(130));
}
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const known = isWaybillError(error);
  process.stderr.write(`bench: ${known ? error.message : (error as Error).stack}\n`);
  if (known && error.hint) process.stderr.write(`bench: ${error.hint}\n`);
  process.exitCode = !known ? 70 : error.code === 'BENCH_USAGE' ? 64 : 1;
}
