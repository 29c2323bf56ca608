import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { isWaybillError } from '@waybill/contracts';
import { BenchError } from './bench-error.ts';
import { fullScale, quickScale } from './micro/micro.ts';
import { type MicroResult, microMarkdown, microText } from './micro/micro-result.ts';
import { runMicro } from './micro/run-micro.ts';
import { help, type Options, parseOptions } from './options.ts';
import type { BenchResult } from './results/bench-result.ts';
import { resultFileName } from './results/machine.ts';
import { fillPlace, microPlace, publish } from './results/publish.ts';
import { textReport } from './results/text-report.ts';
import { reuseText } from './reuse/reuse-text.ts';
import { runReuse } from './reuse/run-reuse.ts';
import { runBench } from './run-bench.ts';
import { runSoak, type SoakOptions, soakText } from './soak/run-soak.ts';

const results = new URL('../results/', import.meta.url);
const docs = new URL('../../docs/', import.meta.url);
const say = (line: string) => void process.stderr.write(`bench: ${line}\n`);
const print = (text: string) => void process.stdout.write(`${text}\n`);

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    print(help.trimEnd());
    return 0;
  }
  if (options.render !== undefined) return render(options.render);
  if (options.soak !== undefined) return soak({ ...options, minutes: options.soak });
  if (options.reuse) return measureReuse(options);
  return options.micro ? measureMicro(options) : measure(options);
}

async function measure(options: Options): Promise<number> {
  const result = await runBench(options, say);
  print(`\n${textReport(result)}\n`);
  if (options.save) {
    const file = await save(result, resultFileName(result.date, result.machine, result.kind));
    // Others are for a look, not for the documents; --render shows them there all the same.
    if (result.kind === 'full' || result.kind === 'scaling') await show(result, file);
  }
  return result.turns.some(({ failures }) => Object.keys(failures).length > 0) ? 1 : 0;
}

async function measureMicro(options: Options): Promise<number> {
  const result = await runMicro(options, options.kind === 'quick' ? quickScale : fullScale, say);
  print(`\n${microText(result)}\n`);
  if (options.save && options.kind === 'full') {
    const file = await save(result, resultFileName(result.date, result.machine, 'micro'));
    await fillPlace(docs, microPlace, microMarkdown(result, file));
  }
  return 0;
}

async function measureReuse({ workDir, keep, plan, save: isSaved }: Options): Promise<number> {
  const result = await runReuse({ workDir, keep, rounds: plan.rounds }, say);
  print(`\n${reuseText(result)}\n`);
  if (isSaved) await save(result, resultFileName(result.date, result.machine, 'reuse'));
  return 0;
}

async function soak(options: SoakOptions): Promise<number> {
  const result = await runSoak(options, say);
  print(`\n${soakText(result)}\n`);
  return result.growth.some(({ isTooMuch }) => isTooMuch) ? 1 : 0;
}

async function render(path: string): Promise<number> {
  const result = await readResult(path);
  if ('numbers' in result) await fillPlace(docs, microPlace, microMarkdown(result, basename(path)));
  else await show(result, basename(path));
  return 0;
}

/** Formats that this version writes: 2 of the bench, 1 of micro-benchmarks. */
async function readResult(path: string): Promise<BenchResult | MicroResult> {
  try {
    const result = JSON.parse(await readFile(path, 'utf8'));
    if (result.format === ('numbers' in result ? 1 : 2)) return result;
    throw new Error(`it has format ${result.format}`);
  } catch (cause) {
    throw new BenchError('BENCH_USAGE', `${path} holds no results that can be shown: ${(cause as Error).message}`);
  }
}

async function show(result: BenchResult, file: string): Promise<void> {
  for (const written of await publish(docs, result, file)) print(`written: docs/${written}`);
}

async function save(result: object, name: string): Promise<string> {
  await mkdir(results, { recursive: true });
  await writeFile(new URL(name, results), `${JSON.stringify(result, null, 2)}\n`);
  print(`written: bench/results/${name}`);
  return name;
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
