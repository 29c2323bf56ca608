import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CraftError } from '../errors.js';
import { type PartContext, stepName } from './context.js';
import { openCraftctl } from './craftctl.js';
import { setVariable, variableNames } from './project-variables.js';
import type { Step } from './state.js';
import { stepEnvironment } from './step-environment.js';
import type { StepLog } from './step-log.js';

const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';

/** A script of a step. */
export interface StepScript {
  readonly step: Step;
  readonly text: string;
  readonly cwd: string;
  readonly log: StepLog;
  /** More variables, such as a plugin's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Exports in the script itself, so that its shell expands them. */
  readonly exports?: readonly Readonly<Record<string, string>>[];
  /** What `craftctl default` does; absent in scripts that are themselves the default. */
  readonly runDefault?: (() => Promise<void>) | undefined;
}

/**
 * Runs a script with the shell in the build environment; it stops at the first command that fails.
 * @throws CraftError CRAFT_PART_FAILED with the last lines of output, or what `craftctl default` threw
 */
export async function runScript(context: PartContext, script: StepScript): Promise<void> {
  const { paths, name } = context;
  await mkdir(paths.run, { recursive: true });
  // An override script still runs while it calls the default: the shell reads a script as it goes, so each has a file.
  const file = join(paths.run, `${script.step}${script.runDefault ? '.override' : ''}.sh`);
  await writeFile(file, scriptText(script), { mode: 0o755 });
  const env = { ...stepEnvironment(context, script.step), ...script.env };
  const channel = script.runDefault
    ? await openCraftctl(paths.run, (args) => handleCraftctl(context, script, args))
    : undefined;
  try {
    const result = await context.environment.run({
      argv: [shell, file],
      cwd: script.cwd,
      env: channel ? { ...env, ...channel.env, PATH: `${channel.bin}:${env.PATH}` } : env,
      onStdout: (chunk) => script.log.write(chunk),
      onStderr: (chunk) => script.log.write(chunk),
      signal: context.signal,
      network: context.network,
    });
    context.signal.throwIfAborted();
    if (result.exitCode === 0) return;
    const failure = channel?.failure();
    if (failure instanceof CraftError) throw failure;
    const how = result.exitCode === null ? `signal ${result.signal}` : `exit code ${result.exitCode}`;
    throw new CraftError('CRAFT_PART_FAILED', `${stepName(script.step, name)} failed with ${how}`, {
      details: script.log.tail(),
      hint: `all of its output is in ${script.log.file}`,
      cause: failure,
    });
  } finally {
    await channel?.close();
  }
}

function scriptText(script: StepScript): string {
  const exports = (script.exports ?? []).flatMap((pair) =>
    Object.entries(pair).map(([name, value]) => `export ${name}="${value.replaceAll(/(?<!\\)"/g, '\\"')}"`),
  );
  return ['set -e', ...exports, script.text, ''].join('\n');
}

async function handleCraftctl(context: PartContext, script: StepScript, args: readonly string[]): Promise<string> {
  const [verb, ...rest] = args;
  if (verb === 'default' && rest.length === 0) {
    await script.runDefault?.();
    return '';
  }
  if (verb === 'get' && rest.length === 1) {
    const name = variableNames.find((candidate) => candidate === rest[0]);
    if (name) return context.variables.get(name) ?? '';
  }
  if (verb === 'set' && rest.length === 1) {
    const [, name, value] = /^([^=]*)=([\s\S]*)$/.exec(rest[0] as string) ?? [];
    if (name !== undefined && value !== undefined) {
      setVariable(context, name, value);
      return '';
    }
  }
  throw new CraftError('CRAFT_PART_FAILED', `craftctl ${args.join(' ')}: not understood`, {
    hint: `craftctl default, craftctl get NAME, craftctl set NAME=VALUE; names: ${variableNames.join(', ')}`,
  });
}
