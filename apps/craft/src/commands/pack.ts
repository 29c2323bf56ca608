import { resolve } from 'node:path';
import { chooseEnvironment } from '../build/open-environment.js';
import { type ConfiguredCache, openConfiguredCache } from '../cache/open-build-cache.js';
import { orderParts } from '../lifecycle/part-order.js';
import { artifactTime, prepareOutput } from '../pack/pack-artifact.js';
import { hostArchitecture, planBuilds } from '../project/plan.js';
import { wantsExternalSession } from '../session/external.js';
import type { Policy } from '../session/session.js';
import { chooseSession } from './choose-session.js';
import type { CommandContext } from './command-context.js';
import { type PackedItem, packItem } from './pack-item.js';

/** Options of `craft pack`. */
export interface PackOptions {
  readonly policy: Policy | undefined;
  readonly output: string;
  readonly platform: string | undefined;
  readonly buildFor: string | undefined;
  readonly destructive: boolean;
  /** Whether results of earlier builds may be used; `undefined`: as configured. */
  readonly cache: boolean | undefined;
}

/** What `craft pack` did. */
export interface PackResult {
  readonly items: readonly PackedItem[];
}

/**
 * Packs the platforms of the plan one after another, each in a session of its own; the first that does not come out ends the
 * run. All checks that need nothing come before anything is touched.
 * @throws CraftError for what is wrong before the first build begins
 */
export async function pack(command: CommandContext, options: PackOptions): Promise<PackResult> {
  orderParts(command.project.parts);
  const plan = planBuilds(command.project, {
    platform: options.platform,
    buildFor: options.buildFor,
    host: hostArchitecture(),
  });
  const openSession = await chooseSession(command, options.policy);
  const cache = await chooseCache(command, options.cache);
  const mtime = artifactTime(command.env);
  const output = resolve(options.output);
  await prepareOutput(output);
  const { kind, problem } = await chooseEnvironment(options.destructive);
  if (openSession && kind === 'host') command.progress.warn(hostWarning(problem));
  const items: PackedItem[] = [];
  try {
    for (const item of plan) {
      if (plan.length > 1) command.progress.note(`platform ${item.platform}`);
      const packed = await packItem(command, { item, kind, output, mtime, openSession, cache });
      items.push(packed);
      if (packed.errors.length > 0) break;
    }
  } finally {
    await cache?.cache.close();
  }
  return { items };
}

/** Who owns an external session also owns its report, which could not list what a cache brings: there is no cache then. */
async function chooseCache(command: CommandContext, wanted: boolean | undefined): Promise<ConfiguredCache | undefined> {
  if (!wantsExternalSession(command.env)) return openConfiguredCache({ ...command, wanted });
  if (wanted)
    command.progress.warn('no cache is used: the report of an external session could not list what it brings');
  return undefined;
}

function hostWarning(problem: string | undefined): string {
  const why = problem === undefined ? 'as asked for' : `because ${problem}`;
  return `the build runs on the host, ${why}: nothing keeps it from going around the session, and the report says so`;
}
