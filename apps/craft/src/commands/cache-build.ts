import type { Artifact } from '@waybill/cache-client';
import { layoutOf, withBuild } from '../build/open-build.js';
import { chooseEnvironment } from '../build/open-environment.js';
import { acceptedClasses, whyNot } from '../cache/cache-policy.js';
import { type KeyDocument, keyOf, nameDocument, type SessionClass } from '../cache/key-document.js';
import { type ConfiguredCache, openConfiguredCache } from '../cache/open-build-cache.js';
import { createPartKeys, type PartKeys } from '../cache/part-keys.js';
import { CraftError } from '../errors.js';
import { type LifecycleContext, partContext } from '../lifecycle/context.js';
import { orderParts } from '../lifecycle/part-order.js';
import { createStateStore } from '../lifecycle/state.js';
import { inputDigest } from '../lifecycle/step-inputs.js';
import { hostArchitecture, planBuilds } from '../project/plan.js';
import type { Policy } from '../session/session.js';
import type { CommandContext } from './command-context.js';

/** Which builds a `craft cache` command is about. */
export interface CacheBuildOptions {
  /** All when empty. */
  readonly parts: readonly string[];
  readonly platform: string | undefined;
  readonly buildFor: string | undefined;
  readonly destructive: boolean;
  /** Policy of the session that the build would have; `undefined`: an ordinary build. */
  readonly policy: Policy | undefined;
}

/** One build as its cache sees it. */
export interface CacheBuild extends ConfiguredCache {
  readonly context: LifecycleContext;
  readonly session: SessionClass;
  readonly keys: PartKeys;
  /** Parts that are asked for, in the order of their builds. */
  readonly parts: readonly string[];
}

/**
 * Opens what a command on caches needs, for each platform of the plan, without building anything.
 * @throws CraftError CRAFT_PART_UNKNOWN, CRAFT_PLAN_EMPTY, CRAFT_CONFIG_INVALID, CRAFT_WORK_BUSY
 */
export async function withCacheBuilds<T>(
  command: CommandContext,
  options: CacheBuildOptions,
  work: (build: CacheBuild) => Promise<T>,
): Promise<T[]> {
  const parts = chosenParts(command, options.parts);
  const plan = planBuilds(command.project, { ...options, host: hostArchitecture() });
  const configured = await openCacheOf(command);
  const { kind } = await chooseEnvironment(options.destructive);
  const results: T[] = [];
  try {
    for (const item of plan) {
      const result = await withBuild({ ...command, item, kind, session: undefined }, async (plain) => {
        const context = await asInSession(plain, command, options.policy);
        const keys = await knownKeys(context);
        return work({ ...configured, context, session: options.policy ?? 'none', keys, parts });
      });
      results.push(result);
    }
  } finally {
    await configured.cache.close();
  }
  return results;
}

/** The user's cache, also when nothing turns it on for builds. */
export async function openCacheOf(command: CommandContext): Promise<ConfiguredCache> {
  return (await openConfiguredCache({ ...command, wanted: true })) as ConfiguredCache;
}

/** @throws CraftError CRAFT_PART_UNKNOWN */
export function chosenParts({ project }: CommandContext, names: readonly string[]): string[] {
  const unknown = names.find((name) => !Object.hasOwn(project.parts, name));
  if (unknown !== undefined) {
    throw new CraftError('CRAFT_PART_UNKNOWN', `the project has no part \`${unknown}\``, {
      hint: `its parts are: ${Object.keys(project.parts).join(', ')}`,
    });
  }
  return orderParts(project.parts).filter((name) => names.length === 0 || names.includes(name));
}

/** Builds of sessions work in other directories and fetch git sources otherwise, both of which keys tell. */
async function asInSession(
  context: LifecycleContext,
  command: CommandContext,
  policy: Policy | undefined,
): Promise<LifecycleContext> {
  if (policy === undefined) return context;
  const session = { kind: 'managed', policy } as NonNullable<Parameters<typeof layoutOf>[0]['session']>;
  const layout = layoutOf({ ...command, item: context.item, session });
  return { ...context, layout, states: createStateStore(layout), inSession: true };
}

/** Keys with what earlier pulls brought, where the settings are still the same. */
async function knownKeys(context: LifecycleContext): Promise<PartKeys> {
  const keys = createPartKeys(context);
  for (const name of orderParts(context.project.parts)) {
    const state = await context.states.read(name, 'pull');
    if (!state || state.outcome['from-cache'] !== undefined) continue;
    if (state.key === (await inputDigest(partContext(context, name), 'pull'))) keys.pulled(name, state);
  }
  return keys;
}

/** An artifact that a build would take, from the local cache or, with `pull`, from anywhere. */
export async function findArtifact(
  build: CacheBuild,
  part: string,
  document: KeyDocument,
  from: 'find' | 'pull',
): Promise<Artifact | undefined> {
  const { context, cache, session, rules } = build;
  const { project, item, layout, progress, signal } = context;
  for (const kind of acceptedClasses(session, rules)) {
    for (const place of [undefined, layout.parts]) {
      const key = keyOf(nameDocument(document, { session: kind, place }));
      const found = await cache[from](
        { project: project.name, part, platform: item.platform, key },
        {
          signal,
          accept(candidate) {
            const reason = whyNot(candidate, { key, session: kind, rules });
            if (reason) progress.note(`part ${part} is not taken from ${candidate.origin.remote}: ${reason}`);
            return reason;
          },
        },
      );
      if (found) return found;
    }
  }
  return undefined;
}
