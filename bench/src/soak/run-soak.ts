import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningEngine } from '../engines/engine.ts';
import { waybillStrict } from '../engines/waybill.ts';
import { openFilesOf, readMemory } from '../measure/process-tree.ts';
import { quickPlan } from '../plan.ts';
import { short } from '../results/format-number.ts';
import { type Say, type StageOptions, withStage } from '../stage.ts';
import { runBuild } from './build.ts';
import { fewestReadings, type Growth, growthOf, type Reading } from './growth.ts';
import { parseOwnMetrics } from './own-metrics.ts';

const mib = 1024 * 1024;
const plan = { ...quickPlan, largeBytes: 64 * mib, partBytes: 8 * mib };

export interface SoakOptions extends Omit<StageOptions, 'plan'> {
  readonly minutes: number;
  readonly processes: number | undefined;
}

export interface SoakResult {
  readonly readings: readonly Reading[];
  readonly growth: readonly Growth[];
}

/**
 * Build after build for so long, as a service lives. After each, memory, open files and the delay of the event loop are
 * read. A wrong answer or an incomplete report ends it.
 * @throws BenchError `BENCH_ANSWER_WRONG`, `BENCH_RECORD_INCOMPLETE`
 */
export async function runSoak(options: SoakOptions, say: Say): Promise<SoakResult> {
  return withStage({ ...options, plan }, say, async (stage) => {
    const dir = join(stage.dir, 'soak');
    await mkdir(dir);
    const wrap = 'suffix' in stage.names ? stage.names.wrap : <T>(command: T) => command;
    const engine = await waybillStrict.start({ ...stage, dir, wrap, processes: options.processes });
    const readings: Reading[] = [];
    const begin = performance.now();
    try {
      while (performance.now() - begin < options.minutes * 60_000 || readings.length < fewestReadings) {
        const downloads = await runBuild(stage, engine, readings.length);
        const { text, ...reading } = await read(engine, performance.now() - begin);
        readings.push(reading);
        say(`build ${readings.length}: ${downloads} downloads, ${text}`);
      }
    } finally {
      await engine.stop();
    }
    return { readings, growth: growthOf(readings) };
  });
}

async function read(engine: RunningEngine, atMs: number): Promise<Reading & { readonly text: string }> {
  const pid = engine.pid as number;
  const { delayMs, heapMib, externalMib } = parseOwnMetrics((await engine.readMetrics?.()) ?? '');
  const reading = {
    atMs,
    memory: (await readMemory(pid)).largest / mib,
    files: await openFilesOf(pid),
    delay: delayMs,
  };
  const told = (value: number | undefined) => (value === undefined ? '–' : short(value));
  const memory = `${short(reading.memory)} MiB (heap ${told(heapMib)}, buffers ${told(externalMib)})`;
  return { ...reading, text: `${memory}, ${reading.files} files, event loop delay ${told(delayMs)} ms` };
}

/** What grew, for a terminal. */
export function soakText({ readings, growth }: SoakResult): string {
  const lines = growth.map(({ title, unit, first, last, rise, allowed, isTooMuch }) => {
    const how = `${short(first)} → ${short(last)} ${unit}, rising by ${short(rise)} (allowed ${short(allowed)})`;
    return `${isTooMuch ? 'GROWS' : 'level'}  ${title}: ${how}`;
  });
  return [`${readings.length} builds, the first third not counted`, ...lines].join('\n');
}
