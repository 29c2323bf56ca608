import { join } from 'node:path';
import { SetupError, say } from './fail.mjs';
import { ensureInstalled } from './install.mjs';
import { withLock } from './lock.mjs';
import { root } from './paths.mjs';
import { runCommand } from './run-command.mjs';
import { ensureToolchain, toolchainEnv } from './toolchain.mjs';

/** Toolchain, dependencies and, unless told otherwise, a build: each step does nothing when its result is current. */
export async function prepare({ build = true } = {}) {
  await withLock(async () => {
    await ensureInstalled(await ensureToolchain());
    if (build) await buildAll();
  });
}

async function buildAll() {
  // A build that is all cached takes no time worth a line.
  const notice = setTimeout(() => say('building'), 1000);
  const status = await turbo(['build', '--output-logs=errors-only', '--log-order=grouped'], { quiet: true });
  clearTimeout(notice);
  if (status !== 0) {
    throw new SetupError(`the build ended with exit code ${status}.`, 'Its messages stand above.');
  }
}

/** Runs turbo tasks with the checkout's toolchain. */
export function turbo(args, options = {}) {
  return runCommand(join(root, 'node_modules', '.bin', 'turbo'), ['run', ...args], {
    cwd: root,
    env: toolchainEnv(),
    ...options,
  });
}
