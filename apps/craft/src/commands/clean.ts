import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CraftError } from '../errors.js';
import { invalidate } from '../lifecycle/run-lifecycle.js';
import { createStateStore } from '../lifecycle/state.js';
import { craftDirectory, type WorkLayout, workLayout } from '../project/work-layout.js';
import type { CommandContext } from './command-context.js';

/** Options of `craft clean`. */
export interface CleanOptions {
  /** Parts to clean in the ordinary builds; everything, sessions' builds too, when empty. */
  readonly parts: readonly string[];
  readonly platform: string | undefined;
}

/** What `craft clean` removed. */
export interface CleanResult {
  readonly removed: readonly string[];
}

/**
 * Removes what builds left in the project: everything, or what belongs to some parts.
 * @throws CraftError CRAFT_PART_UNKNOWN, CRAFT_PLAN_EMPTY
 */
export async function clean(command: CommandContext, options: CleanOptions): Promise<CleanResult> {
  const { project, projectDirectory } = command;
  const platforms = Object.keys(project.platforms).filter(
    (name) => options.platform === undefined || name === options.platform,
  );
  if (platforms.length === 0) {
    throw new CraftError('CRAFT_PLAN_EMPTY', `the project has no platform \`${options.platform}\``);
  }
  const several = Object.keys(project.platforms).length > 1;
  const layouts = platforms.map((platform) => workLayout(projectDirectory, platform, { several }));
  const unknown = options.parts.find((name) => !Object.hasOwn(project.parts, name));
  if (unknown !== undefined) {
    throw new CraftError('CRAFT_PART_UNKNOWN', `the project has no part \`${unknown}\``, {
      hint: `its parts are: ${Object.keys(project.parts).join(', ')}`,
    });
  }
  if (options.parts.length === 0) return { removed: await cleanAll(projectDirectory, layouts, options.platform) };
  for (const layout of layouts) await cleanParts(command, layout, options.parts);
  return { removed: [...options.parts] };
}

async function cleanAll(
  project: string,
  layouts: readonly WorkLayout[],
  platform: string | undefined,
): Promise<string[]> {
  const hidden = join(project, craftDirectory);
  const names = await readdir(hidden).catch(() => []);
  const ofPlatform = names
    .filter((name) => platform === undefined || name.endsWith(`-${platform}`))
    .map((name) => join(hidden, name));
  const paths = [...new Set([...layouts.flatMap((layout) => layout.all), ...ofPlatform])];
  for (const path of paths) await rm(path, { recursive: true, force: true });
  if (platform === undefined) await rm(hidden, { recursive: true, force: true });
  return paths;
}

async function cleanParts(command: CommandContext, layout: WorkLayout, parts: readonly string[]): Promise<void> {
  const context = { project: command.project, layout, states: createStateStore(layout) };
  for (const part of parts) {
    await invalidate(context, part, 'pull');
    await rm(layout.part(part).dir, { recursive: true, force: true });
  }
}
