import { stat } from 'node:fs/promises';
import { relative, resolve, sep } from 'node:path';
import { CraftError } from '../errors.js';
import { copyTree } from '../files/copy-tree.js';
import { walkTree } from '../files/walk-tree.js';
import type { PartContext } from '../lifecycle/context.js';
import { digestOf } from '../lifecycle/state.js';
import { isOwnProduct } from '../project/work-layout.js';

/**
 * Digest of a local source by names, kinds, modes, sizes, times and link targets: changes when a file does.
 * @throws CraftError CRAFT_SOURCE_MISSING
 */
export async function localSourceDigest(context: PartContext): Promise<string> {
  const root = await localSourceRoot(context);
  return digestOf(await walkTree(root, { ignore: localSourceIgnore(context, root) }));
}

/** Copies a local source. What craft itself makes in the project is left out. */
export async function pullLocal(context: PartContext): Promise<Record<string, string>> {
  const root = await localSourceRoot(context);
  await copyTree(root, context.paths.src, { ignore: localSourceIgnore(context, root), replace: true });
  return {};
}

/**
 * Directory of a local source.
 * @throws CraftError CRAFT_SOURCE_MISSING
 */
export async function localSourceRoot(context: PartContext): Promise<string> {
  const root = resolve(context.layout.project, context.part.source ?? '');
  const info = await stat(root).catch(() => undefined);
  if (info?.isDirectory()) return root;
  throw new CraftError(
    'CRAFT_SOURCE_MISSING',
    `part ${context.name}: the source ${root} ${info ? 'is not a directory' : 'does not exist'}`,
    {
      hint: info ? 'name its kind with source-type' : 'local sources are relative to the directory of craft.yaml',
    },
  );
}

/** What of a local source is not copied: what craft itself makes in the project. */
export function localSourceIgnore(context: PartContext, root: string): (path: string) => boolean {
  const { project } = context.layout;
  return (path) => {
    const inProject = relative(project, resolve(root, path)).split(sep).join('/');
    return !inProject.startsWith('..') && isOwnProduct(context.project.name, inProject);
  };
}
