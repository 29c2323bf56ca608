import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, say } from './fail.mjs';
import { binDir, toolchainDir } from './paths.mjs';
import { runCommand } from './run-command.mjs';

const pinsText = readFileSync(join(dirname(fileURLToPath(import.meta.url)), 'toolchain.json'), 'utf8');
const pins = JSON.parse(pinsText);
const pinsDigest = createHash('sha256').update(pinsText).digest('hex');

/** What this machine needs: each entry is a pinned npm package that holds one program, or a program it has already. */
export function plan(process_ = process) {
  const platform = `${process_.platform}-${process_.arch}`;
  const isOwn = process_.execPath.startsWith(toolchainDir);
  const node =
    !isOwn && isAtLeast(process_.versions.node, pins.node.minimum)
      ? { program: 'node', version: process_.versions.node, path: process_.execPath }
      : pinnedNode(platform, process_);
  return { node, pnpm: pinnedPnpm(platform, process_) };
}

function pinnedNode(platform, process_) {
  const pin = isMusl(process_) ? undefined : pins.node.packages[platform];
  if (!pin) {
    throw new SetupError(
      `Node ${process_.versions.node} is too old (wanted ${pins.node.minimum} or newer) and the npm registry has no Node for this platform (${platform}).`,
      'Install Node 24 yourself, then run the same command again.',
    );
  }
  return { program: 'node', ...pin };
}

function pinnedPnpm(platform, process_) {
  const pin = pins.pnpm.packages[isMusl(process_) ? `${platform}-musl` : platform];
  if (!pin) {
    throw new SetupError(
      `pnpm ${pins.pnpm.version} does not exist for this platform (${platform}).`,
      'Waybill is developed on Linux and macOS, x64 and arm64.',
    );
  }
  return { program: 'pnpm', version: pins.pnpm.version, ...pin };
}

/** One string per toolchain: part of the install's stamp, so that a changed toolchain runs the install again. */
export function describe({ node, pnpm }) {
  return `node ${node.version} ${node.path ?? node.name}\npnpm ${pnpm.version} ${pnpm.name}\n`;
}

/**
 * Brings the programs this machine needs to `.waybill/toolchain/bin` and returns their description. Uses the npm that
 * is there, with the user's own npm configuration (registry, certificates, proxies). A toolchain that works is kept,
 * whichever Node started set-up this time.
 */
export async function ensureToolchain() {
  const marker = join(toolchainDir, 'toolchain.json');
  const current = readMarker(marker);
  if (current?.pins === pinsDigest && worksStill()) return current.description;

  const planned = plan();
  const missing = [planned.node, planned.pnpm].filter((tool) => tool.name);
  for (const tool of missing) say(`getting ${tool.program} ${tool.version} from the npm registry (${tool.name})`);
  mkdirSync(binDir, { recursive: true });
  rmSync(marker, { force: true });
  await npmInstall(missing);
  verifyDigests(missing);
  for (const tool of [planned.node, planned.pnpm]) link(tool);
  const description = describe(planned);
  writeFileSync(marker, `${JSON.stringify({ pins: pinsDigest, description })}\n`);
  return description;
}

function readMarker(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // Missing or cut short by a kill: set up anew.
    return undefined;
  }
}

/** The linked Node may be the user's own, which can be removed or replaced by an older one between two runs. */
function worksStill() {
  if (!existsSync(join(binDir, 'pnpm'))) return false;
  const found = spawnSync(join(binDir, 'node'), ['--version'], { encoding: 'utf8' });
  return found.status === 0 && isAtLeast(found.stdout.trim().slice(1), pins.node.minimum);
}

async function npmInstall(tools) {
  // A package.json of its own keeps npm from taking the checkout for the project it installs into.
  writeFileSync(join(toolchainDir, 'package.json'), '{ "private": true }\n');
  const specs = tools.map((tool) => `${tool.name}@${tool.version}`);
  const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--global=false'];
  const args = ['install', '--prefix', toolchainDir, ...flags, '--loglevel=error', ...specs];
  const status = await runCommand('npm', args, {
    cwd: toolchainDir,
    env: { ...process.env, npm_config_update_notifier: 'false' },
  });
  if (status !== 0) {
    throw new SetupError(
      `npm could not install ${specs.join(' and ')} (exit code ${status}).`,
      "Its message stands above. Check 'npm config get registry', proxies and certificates, then run the same command again.",
    );
  }
}

/**
 * npm compares an archive with what the registry says about it; this compares what the registry said with our pin, before
 * anything of it is run. A platform without a pinned digest relies on npm's comparison alone.
 */
function verifyDigests(tools) {
  const { packages } = JSON.parse(readFileSync(join(toolchainDir, 'node_modules', '.package-lock.json'), 'utf8'));
  for (const tool of tools) {
    const found = packages[`node_modules/${tool.name}`]?.integrity;
    if (!tool.integrity || found === tool.integrity) continue;
    rmSync(join(toolchainDir, 'node_modules'), { recursive: true, force: true });
    throw new SetupError(
      `${tool.name}@${tool.version} is not what tooling/setup/toolchain.json pins: found ${found}, wanted ${tool.integrity}.`,
      "The registry serves something else under this version. Check 'npm config get registry'.",
    );
  }
}

function link(tool) {
  const target = tool.path ?? join(toolchainDir, 'node_modules', tool.name, tool.binary);
  if (!existsSync(target)) {
    throw new SetupError(
      `${tool.name}@${tool.version} was installed but holds no ${tool.binary}.`,
      "Remove the directory '.waybill' and run the same command again.",
    );
  }
  const path = join(binDir, tool.program);
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

/** The caller's environment with the toolchain first on PATH. */
export function toolchainEnv(env = process.env) {
  return { ...env, PATH: `${binDir}:${env.PATH ?? ''}`, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
}

export function isAtLeast(found, wanted) {
  const [a, b] = [found, wanted].map((version) => version.split('-')[0].split('.').map(Number));
  for (let i = 0; i < 3; i += 1) {
    if (a[i] !== b[i]) return a[i] > b[i];
  }
  return true;
}

function isMusl(process_) {
  return process_.platform === 'linux' && !process_.report?.getReport().header.glibcVersionRuntime;
}
