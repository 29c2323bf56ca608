import { mkdir } from 'node:fs/promises';
import { walkTree } from '../../files/walk-tree.js';
import { compileFileset } from '../filter.js';
import { sharingOf } from '../path-owners.js';
import { runScript } from '../run-script.js';
import { migrate, selectEntries } from './migrate.js';
import type { StepWork } from './step-work.js';

/** Puts what the part staged, filtered by `prime`, into the directory that is packed. */
export const prime: StepWork = async (context, log) => {
  const { layout, part, name, states } = context;
  await mkdir(layout.prime, { recursive: true });
  let primed: string[] = [];
  const runDefault = async () => {
    const staged = new Set((await states.read(name, 'stage'))?.paths);
    const own = (await walkTree(layout.stage)).filter((entry) => staged.has(entry.path));
    const entries = selectEntries(own, compileFileset(part.prime));
    primed = await migrate(layout.stage, layout.prime, entries, await sharingOf(context, 'prime'));
  };
  const text = part['override-prime'];
  if (text === undefined) await runDefault();
  else await runScript(context, { step: 'prime', text, cwd: layout.prime, log, runDefault });
  return { paths: primed, outcome: {} };
};
