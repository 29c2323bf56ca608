import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyTree } from '../../files/copy-tree.js';
import type { PluginInput } from '../../plugins/plugin.js';
import { pluginOf } from '../../plugins/registry.js';
import { sourceTypeOf } from '../../sources/pull-source.js';
import { unpackStagePackages } from '../../sources/stage-packages.js';
import type { PartContext } from '../context.js';
import { organize } from '../organize.js';
import { runScript } from '../run-script.js';
import type { StepLog } from '../step-log.js';
import { nothing, type StepWork } from './step-work.js';

/** Builds a copy of the source into the install directory, with the plugin or `override-build`, and organizes the result. */
export const build: StepWork = async (context, log) => {
  const { paths, part } = context;
  for (const directory of [paths.build, paths.install]) await rm(directory, { recursive: true, force: true });
  await mkdir(paths.install, { recursive: true });
  await copyTree(paths.src, paths.build);
  const cwd = join(paths.build, part['source-subdir'] ?? '');
  await mkdir(cwd, { recursive: true });
  await unpackStagePackages(context);
  const runDefault = () => runPlugin(context, cwd, log);
  const text = part['override-build'];
  if (text === undefined) await runDefault();
  else {
    const { environment } = pluginOf(part);
    await runScript(context, {
      step: 'build',
      text,
      cwd,
      log,
      runDefault,
      env: environment(pluginInput(context)),
      exports: part['build-environment'],
    });
  }
  await organize(paths.install, part.organize, context.name);
  return nothing;
};

async function runPlugin(context: PartContext, cwd: string, log: StepLog): Promise<void> {
  const { part, paths } = context;
  const plugin = pluginOf(part);
  const input = pluginInput(context);
  const commands = plugin.commands(input);
  if (commands.length === 0) return;
  await mkdir(paths.run, { recursive: true });
  for (const [name, text] of Object.entries(plugin.files?.(input) ?? {})) await writeFile(join(paths.run, name), text);
  await runScript(context, {
    step: 'build',
    text: commands.join('\n'),
    cwd,
    log,
    env: plugin.environment(input),
    exports: part['build-environment'],
  });
}

function pluginInput(context: PartContext): PluginInput {
  return { part: context.part, run: context.paths.run, isGitSource: sourceTypeOf(context.part) === 'git' };
}
