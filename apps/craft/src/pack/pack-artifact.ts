import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CraftError } from '../errors.js';
import { removeUnfinished, replaceAtomic, writeFileAtomic } from '../files/atomic-write.js';
import { makeDirectory } from '../files/make-directory.js';
import type { LifecycleContext } from '../lifecycle/context.js';
import { requireVersion } from '../lifecycle/project-variables.js';
import { artifactFile, artifactStem } from './artifact-name.js';
import { packImage } from './pack-image.js';
import { packSnap } from './pack-snap.js';
import { packTar } from './pack-tar.js';
import { snapYaml } from './snap-yaml.js';

/** A packed artifact. */
export interface Artifact {
  readonly path: string;
  readonly file: string;
  readonly size: number;
  readonly sha1: string;
  readonly sha256: string;
}

/** Time of everything in an artifact unless SOURCE_DATE_EPOCH names another: the first that every archive format can hold. */
const defaultEpochSeconds = 315_532_800;

/**
 * Time of everything in an artifact.
 * @throws CraftError CRAFT_USAGE when SOURCE_DATE_EPOCH is not a number of seconds
 */
export function artifactTime(env: Readonly<NodeJS.ProcessEnv>): Date {
  const text = env.SOURCE_DATE_EPOCH;
  if (text === undefined || text === '') return new Date(defaultEpochSeconds * 1000);
  if (!/^\d{1,11}$/.test(text)) {
    throw new CraftError('CRAFT_USAGE', `SOURCE_DATE_EPOCH is ${JSON.stringify(text)}, expected seconds since 1970`);
  }
  return new Date(Number(text) * 1000);
}

/**
 * Packs `prime` into an artifact in the output directory; it is there whole or not at all.
 * @throws CraftError CRAFT_VERSION_MISSING, CRAFT_OUTPUT_UNWRITABLE, CRAFT_PROGRAM_MISSING, CRAFT_PACK_FAILED
 */
export async function packArtifact(context: LifecycleContext, output: string, mtime: Date): Promise<Artifact> {
  const { project, item, layout, variables, signal } = context;
  const version = requireVersion(variables, project['adopt-info']);
  const identity = { name: project.name, version, platform: item.platform };
  const file = artifactFile(project.type, identity);
  const path = join(output, file);
  await mkdir(layout.prime, { recursive: true });
  // One that was killed here left the artifact, its report or its image half written.
  await removeUnfinished(output, artifactStem(identity));
  await removeUnfinished(join(layout.prime, 'meta'), 'snap.yaml');
  if (project.type === 'snap')
    await writeFileAtomic(join(layout.prime, 'meta/snap.yaml'), snapYaml(project, item, variables));
  try {
    await replaceAtomic(path, async (temporary) => {
      if (project.type === 'snap') await packSnap(layout.prime, temporary, mtime, signal);
      else if (project.type === 'tar') await packTar(layout.prime, temporary, { mtime });
      else await packImage(context, temporary, { mtime, version });
      signal.throwIfAborted();
    });
  } catch (cause) {
    if (cause instanceof CraftError || signal.aborted) throw cause;
    throw new CraftError('CRAFT_PACK_FAILED', `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
  return { path, file, size: (await stat(path)).size, ...(await hashFile(path)) };
}

/**
 * Makes sure before the build that its result can be written.
 * @throws CraftError CRAFT_OUTPUT_UNWRITABLE
 */
export async function prepareOutput(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new CraftError('CRAFT_OUTPUT_UNWRITABLE', `cannot write into ${directory}: ${(cause as Error).message}`, {
      hint: 'name another directory with --output',
      cause,
    });
  }
}

async function hashFile(path: string): Promise<{ sha1: string; sha256: string }> {
  const [sha1, sha256] = [createHash('sha1'), createHash('sha256')];
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    sha1.update(chunk as Buffer);
    sha256.update(chunk as Buffer);
  }
  return { sha1: sha1.digest('hex'), sha256: sha256.digest('hex') };
}
