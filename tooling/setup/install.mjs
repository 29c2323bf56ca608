import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, say } from './fail.mjs';
import { binDir, root, stateDir } from './paths.mjs';
import { runCommand } from './run-command.mjs';
import { toolchainEnv } from './toolchain.mjs';

const workspaceDirs = ['packages', 'apps', 'tooling'];
const workspacePackages = ['.', 'e2e', 'bench'];

/** Frozen install, skipped while lock file, manifests and toolchain are those of the last one. */
export async function ensureInstalled(toolchain) {
  const stampFile = join(stateDir, 'install.stamp');
  const stamp = installStamp(toolchain);
  const isCurrent = existsSync(join(root, 'node_modules')) && existsSync(stampFile);
  if (isCurrent && readFileSync(stampFile, 'utf8') === stamp) return;

  say('installing dependencies (pnpm, frozen lock file)');
  rmSync(stampFile, { force: true });
  // On a terminal pnpm shows its progress; elsewhere its output matters only when it fails.
  const quiet = !process.stderr.isTTY;
  const status = await runCommand(join(binDir, 'pnpm'), ['install', '--frozen-lockfile'], {
    cwd: root,
    // CI keeps pnpm from asking before it replaces a node_modules directory.
    env: { ...toolchainEnv(), CI: 'true' },
    quiet,
  });
  if (status !== 0) {
    throw new SetupError(
      `'pnpm install --frozen-lockfile' ended with exit code ${status}.`,
      "Its message stands above. After a change to a package.json: '. tooling/env.sh && pnpm install', and commit pnpm-lock.yaml.",
    );
  }
  writeFileSync(stampFile, stamp);
}

function installStamp(toolchain) {
  const hash = createHash('sha256').update(toolchain);
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests()]) {
    const path = join(root, file);
    if (existsSync(path)) hash.update(`${file}\0`).update(readFileSync(path)).update('\0');
  }
  return `${hash.digest('hex')}\n`;
}

function manifests() {
  const nested = workspaceDirs.flatMap((dir) => {
    if (!existsSync(join(root, dir))) return [];
    return readdirSync(join(root, dir)).map((name) => `${dir}/${name}`);
  });
  return [...workspacePackages, ...nested].map((dir) => `${dir}/package.json`).sort();
}
