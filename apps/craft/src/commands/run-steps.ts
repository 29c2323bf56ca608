import { withBuild } from '../build/open-build.js';
import { chooseEnvironment } from '../build/open-environment.js';
import { runLifecycle } from '../lifecycle/run-lifecycle.js';
import type { Step } from '../lifecycle/state.js';
import { hostArchitecture, planBuilds } from '../project/plan.js';
import { checkBuildPackages } from '../sources/build-packages.js';
import { chooseSession } from './choose-session.js';
import type { CommandContext } from './command-context.js';

/** Options of `craft pull`, `build`, `stage` and `prime`. */
export interface StepOptions {
  readonly step: Step;
  readonly parts: readonly string[];
  readonly platform: string | undefined;
  readonly buildFor: string | undefined;
  readonly destructive: boolean;
}

/** What such a command did. */
export interface StepsResult {
  readonly step: Step;
  readonly platforms: readonly string[];
}

/**
 * Brings parts of every platform of the plan to a step. An external session is used; managed ones belong to `craft pack`.
 * @throws CraftError
 */
export async function runSteps(command: CommandContext, options: StepOptions): Promise<StepsResult> {
  const plan = planBuilds(command.project, {
    platform: options.platform,
    buildFor: options.buildFor,
    host: hostArchitecture(),
  });
  const openSession = await chooseSession(command, undefined);
  const { kind } = await chooseEnvironment(options.destructive);
  for (const item of plan) {
    const session = await openSession?.();
    await withBuild({ ...command, item, kind, session }, async (context) => {
      await checkBuildPackages(context);
      await runLifecycle(context, options.step, options.parts);
    });
  }
  return { step: options.step, platforms: plan.map((item) => item.platform) };
}
