import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'vitest';
import { keepForTest } from './keep.js';
import { type Ran, run } from './run.js';
import { createTempDir } from './temp-dir.js';

/** Where `tooling/ci/cache-clients.sh` puts the programs. */
const kept = fileURLToPath(new URL('../../../.waybill/cache-clients', import.meta.url));
/** `node_modules` of the clients from npm. */
export const clientModules = join(kept, 'npm', 'node_modules');
/** Programs of the clients from Python. */
export const clientPython = join(kept, 'python', 'bin');

/** Somebody's machine: a home, a project, and nothing that an earlier machine left. */
export interface CacheMachine {
  readonly home: string;
  readonly project: string;
  /** Runs a program in the project with this home and nothing else of the environment. */
  run(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ran>;
}

/** @param files of the project by path; those that begin with `#!` are programs */
export async function createCacheMachine(files: Readonly<Record<string, string>>): Promise<CacheMachine> {
  const dir = keepForTest(await createTempDir());
  const project = dir.at('project');
  const home = dir.at('home');
  await mkdir(home);
  for (const [path, text] of Object.entries(files)) {
    const file = join(project, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    if (text.startsWith('#!')) await chmod(file, 0o755);
  }
  const path = [join(clientModules, '.bin'), clientPython, process.env.PATH ?? ''].join(delimiter);
  return {
    home,
    project,
    run: (command, args, env = {}) =>
      run(command, args, {
        cwd: project,
        // Everything a client leaves behind goes where it is removed, or the next one would find it.
        env: { PATH: path, HOME: home, TMPDIR: home, USER: 'somebody', ...env },
        timeoutMs: 400_000,
      }),
  };
}

/** Skips where a client is not installed; in CI that is a failure. */
export async function needClient(context: TestContext, name: string, hint: string): Promise<void> {
  const path = [join(clientModules, '.bin'), clientPython, ...(process.env.PATH ?? '').split(delimiter)];
  if (path.some((directory) => existsSync(join(directory, name)))) return;
  const missing = `${name} is not installed: ${hint}`;
  if (process.env.WAYBILL_CI === '1') throw new Error(missing);
  context.skip(missing);
}
