import { mkdir } from 'node:fs/promises';
import { walkTree } from '../../files/walk-tree.js';
import { compileFileset } from '../filter.js';
import { sharingOf } from '../path-owners.js';
import { runScript } from '../run-script.js';
import { migrate, selectEntries } from './migrate.js';
import type { StepWork } from './step-work.js';

/** Puts what the part installed, filtered by `stage`, into the directory that all parts share. */
export const stage: StepWork = async (context, log) => {
  const { layout, paths, part } = context;
  await mkdir(layout.stage, { recursive: true });
  let staged: string[] = [];
  const runDefault = async () => {
    const entries = selectEntries(await walkTree(paths.install), compileFileset(part.stage));
    staged = await migrate(paths.install, layout.stage, entries, await sharingOf(context, 'stage'));
  };
  const text = part['override-stage'];
  if (text === undefined) await runDefault();
  else await runScript(context, { step: 'stage', text, cwd: layout.stage, log, runDefault });
  return { paths: staged, outcome: {} };
};
