import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { redactText } from '@waybill/contracts';
import { CraftError } from '../errors.js';
import type { DaemonOptions } from './daemon-options.js';
import type { DaemonProgram } from './daemon-program.js';
import type { WaybillDirectories } from './directories.js';

const run = promisify(execFile);

/** Directory with the configuration of daemons that craft starts: the user's, or one that is generated. */
export async function configurationDirectory(
  directories: WaybillDirectories,
): Promise<{ path: string; isOwn: boolean }> {
  const isOwn = await access(join(directories.config, 'inspectors.yaml')).then(
    () => true,
    () => false,
  );
  return isOwn ? { path: directories.config, isOwn } : { path: generatedDirectory(directories), isOwn };
}

/** Where the configuration is generated when the user has none. */
export function generatedDirectory({ state }: WaybillDirectories): string {
  return join(state, 'config');
}

/**
 * Makes sure that there is a configuration. Without one of the user it is generated anew for every start from what npm, apt
 * and git are configured to use, so it follows their configuration.
 * @throws CraftError CRAFT_CONFIG_INVALID
 */
export async function prepareConfiguration(program: DaemonProgram, options: DaemonOptions): Promise<string> {
  const { path, isOwn } = await configurationDirectory(options.directories);
  if (isOwn) return path;
  await mkdir(path, { recursive: true, mode: 0o700 });
  const [file, ...first] = program;
  try {
    const { stdout } = await run(file, [...first, 'config', 'init', `--output=${path}`, '--force'], {
      env: options.env as NodeJS.ProcessEnv,
      signal: options.signal,
      timeout: 60_000,
    });
    for (const line of stdout.trim().split('\n')) options.progress.debug(line);
  } catch (cause) {
    options.signal.throwIfAborted();
    const text = redactText(String((cause as { stderr?: string }).stderr || (cause as Error).message));
    throw new CraftError('CRAFT_CONFIG_INVALID', 'the configuration of the fetch service could not be generated', {
      details: text.trim().split('\n').slice(-10),
      hint: `write ${join(options.directories.config, 'inspectors.yaml')} by hand`,
      cause,
    });
  }
  return path;
}
