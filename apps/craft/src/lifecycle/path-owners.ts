import { removeInside } from '../files/remove-inside.js';
import type { LifecycleContext, PartContext } from './context.js';
import { unfinishedKey } from './state.js';
import type { Sharing } from './steps/migrate.js';

/** Which part put which path into a shared directory. */
export async function pathOwners(
  context: Pick<LifecycleContext, 'project' | 'states'>,
  step: 'stage' | 'prime',
  except?: string,
): Promise<Map<string, string>> {
  const owners = new Map<string, string>();
  for (const part of Object.keys(context.project.parts)) {
    if (part === except) continue;
    for (const path of (await context.states.read(part, step))?.paths ?? []) owners.set(path, part);
  }
  return owners;
}

/** Takes out of a shared directory what only this part put there. */
export async function removeOwned(
  context: Pick<LifecycleContext, 'project' | 'states' | 'layout'>,
  part: string,
  step: 'stage' | 'prime',
): Promise<void> {
  const paths = (await context.states.read(part, step))?.paths ?? [];
  if (paths.length === 0) return;
  const others = await pathOwners(context, step, part);
  // Deepest first: a directory is only removed once it is empty.
  const mine = paths.filter((path) => !others.has(path)).sort((a, b) => b.length - a.length);
  for (const path of mine) await removeInside(context.layout[step], path);
}

/** How a step of a part shares its directory with the other parts. */
export async function sharingOf(context: PartContext, step: 'stage' | 'prime'): Promise<Sharing> {
  return {
    part: context.name,
    owners: await pathOwners(context, step, context.name),
    async remember(paths) {
      const unfinished = { key: unfinishedKey, upstream: {}, paths: [...paths], variables: {}, outcome: {} };
      await context.states.write(context.name, step, unfinished);
    },
  };
}
