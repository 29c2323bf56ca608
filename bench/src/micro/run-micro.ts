import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startDaemon } from '../engines/waybill-daemon.ts';
import { quickPlan } from '../plan.ts';
import { describeMachine } from '../results/machine.ts';
import { type Say, type StageOptions, withStage } from '../stage.ts';
import { largeReport } from './large-report.ts';
import type { Micro, MicroScale } from './micro.ts';
import type { MicroResult } from './micro-result.ts';
import { sessionCreation } from './session-creation.ts';

/** A new one is a file here and an entry in this list. */
const micros: readonly Micro[] = [sessionCreation, largeReport];

const mib = 1024 * 1024;
const plan = { ...quickPlan, largeBytes: mib, parts: 0 };

/** Runs each with a daemon of its own. */
export async function runMicro(options: Omit<StageOptions, 'plan'>, scale: MicroScale, say: Say): Promise<MicroResult> {
  return withStage({ ...options, plan }, say, async (stage) => {
    const machine = await describeMachine(stage.dir);
    const date = new Date().toISOString();
    const numbers = [];
    for (const { id, run } of micros) {
      const dir = join(stage.dir, id);
      await mkdir(dir);
      const daemon = await startDaemon({ ...stage, dir, wrap: (command) => command });
      try {
        numbers.push(...(await run({ ...stage, daemon, scale, say })));
      } finally {
        await daemon.stop();
        if (!options.keep) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
      }
    }
    return { format: 1, date, machine, numbers };
  });
}
