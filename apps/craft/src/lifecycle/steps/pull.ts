import { mkdir, rm } from 'node:fs/promises';
import { pullSource } from '../../sources/pull-source.js';
import { fetchStagePackages } from '../../sources/stage-packages.js';
import { runScript } from '../run-script.js';
import type { StepWork } from './step-work.js';

/** Brings source and stage packages, or runs `override-pull` in the source directory. */
export const pull: StepWork = async (context, log) => {
  const { paths, part } = context;
  await rm(paths.dir, { recursive: true, force: true });
  for (const directory of [paths.src, paths.build, paths.install, paths.run])
    await mkdir(directory, { recursive: true });
  let outcome: Record<string, string> = {};
  const runDefault = async () => {
    outcome = { ...(await pullSource(context, log)), ...(await fetchStagePackages(context, log)) };
  };
  const text = part['override-pull'];
  if (text === undefined) await runDefault();
  else await runScript(context, { step: 'pull', text, cwd: paths.src, log, runDefault });
  return { paths: [], outcome };
};
