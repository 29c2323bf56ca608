import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CraftError } from '../errors.js';
import { compareBytes } from '../files/walk-tree.js';
import type { PartContext } from '../lifecycle/context.js';
import { stepEnvironment } from '../lifecycle/step-environment.js';
import type { StepLog } from '../lifecycle/step-log.js';
import { aptConfiguration, statusWithout } from './apt-configuration.js';
import { extractDeb } from './extract-deb.js';

const hostStatus = '/var/lib/dpkg/status';
const mostPackageBytes = 4 * 2 ** 30;

/**
 * Downloads a part's `stage-packages` with apt, in directories of our own: the machine's apt state is neither used nor
 * changed. What comes are the named packages and those of their dependencies that the base does not have; the base is the
 * build environment, or nothing with `base: bare`. The origins and keys are the ones that apt is configured for.
 * @returns sha256 of each package file
 * @throws CraftError CRAFT_STAGE_PACKAGES_FAILED with apt's last lines
 */
export async function fetchStagePackages(context: PartContext, log: StepLog): Promise<Record<string, string>> {
  const wanted = context.part['stage-packages'];
  if (wanted.length === 0) return {};
  const directory = join(context.layout.tmp, 'apt', context.name);
  await rm(directory, { recursive: true, force: true });
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'log'])
    await mkdir(join(directory, name), { recursive: true });
  const target = context.item.buildFor === 'all' ? context.item.buildOn : context.item.buildFor;
  const bare = context.project.base === 'bare' || target !== context.item.buildOn;
  const status = bare ? '' : await readFile(hostStatus, 'utf8').catch(() => '');
  await writeFile(join(directory, 'state/status'), statusWithout(status, wanted));
  await writeFile(join(directory, 'apt.conf'), aptConfiguration(directory, target));
  const apt = (...args: string[]) => runApt(context, log, ['-c', join(directory, 'apt.conf'), ...args]);
  await apt('update');
  await apt('install', '--download-only', '--no-install-recommends', '--yes', '--', ...wanted);
  const digests = await takePackages(join(directory, 'cache/archives'), context.paths.packages);
  await rm(directory, { recursive: true, force: true });
  if (Object.keys(digests).length === 0) throw failed(context, 'apt brought no package', log);
  return digests;
}

/** Unpacks what was fetched into the part's install directory, where the plugin and `organize` find it. */
export async function unpackStagePackages(context: PartContext): Promise<void> {
  const { packages, install } = context.paths;
  const names = await readdir(packages).catch(() => []);
  for (const name of names.sort(compareBytes)) await extractDeb(join(packages, name), install, name);
}

async function runApt(context: PartContext, log: StepLog, args: readonly string[]): Promise<void> {
  const result = await context.environment
    .run({
      argv: ['apt-get', '-q', ...args],
      cwd: context.paths.run,
      env: { ...stepEnvironment(context, 'pull'), DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      onStdout: (chunk) => log.write(chunk),
      onStderr: (chunk) => log.write(chunk),
      signal: context.signal,
      network: context.network,
    })
    .catch((cause: unknown) => {
      throw failed(context, 'apt-get cannot be run', log, 'stage-packages need apt in the build environment', cause);
    });
  context.signal.throwIfAborted();
  if (result.exitCode === 0) return;
  throw failed(
    context,
    `apt-get ${args[2]} ended with ${result.exitCode ?? result.signal}`,
    log,
    'check the names of the packages and the sources that apt is configured for',
  );
}

async function takePackages(from: string, to: string): Promise<Record<string, string>> {
  await mkdir(to, { recursive: true });
  const digests: Record<string, string> = {};
  for (const name of (await readdir(from)).filter((entry) => entry.endsWith('.deb')).sort(compareBytes)) {
    const path = join(from, name);
    const info = await lstat(path);
    if (!info.isFile() || info.size > mostPackageBytes) {
      throw new CraftError(
        'CRAFT_STAGE_PACKAGES_FAILED',
        `${name} is not a package file of at most ${mostPackageBytes} bytes`,
      );
    }
    await copyFile(path, join(to, name));
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(join(to, name))) hash.update(chunk as Buffer);
    digests[name] = hash.digest('hex');
  }
  return digests;
}

function failed(context: PartContext, message: string, log: StepLog, hint?: string, cause?: unknown): CraftError {
  return new CraftError('CRAFT_STAGE_PACKAGES_FAILED', `stage-packages of part ${context.name}: ${message}`, {
    details: log.tail().slice(-12),
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}
