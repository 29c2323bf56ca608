import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inferSourceType, type SourceType } from '@waybill/contracts';
import type { PartContext } from '../lifecycle/context.js';
import type { StepLog } from '../lifecycle/step-log.js';
import { extractTarFile } from './archive-file.js';
import { extractDeb } from './extract-deb.js';
import { limitsFor } from './extract-limits.js';
import { extractZip } from './extract-zip.js';
import { type FetchedFile, fetchFile } from './fetch-file.js';
import { pullGit } from './git.js';
import { pullLocal } from './local.js';

/** Type of a part's source; `undefined` for a part without one. */
export function sourceTypeOf(part: PartContext['part']): SourceType | undefined {
  return part.source === undefined ? undefined : (part['source-type'] ?? inferSourceType(part.source));
}

/**
 * Brings a part's source into its `src` directory.
 * @returns what identifies it: commit or sha256
 * @throws CraftError CRAFT_SOURCE_*
 */
export async function pullSource(context: PartContext, log: StepLog): Promise<Record<string, string>> {
  const type = sourceTypeOf(context.part);
  if (type === undefined) return {};
  if (type === 'git') return pullGit(context, log);
  if (type === 'local') return pullLocal(context);
  const file = await fetchFile(context, log);
  await unpack(context, type, file);
  await rm(join(context.paths.run, 'download'), { recursive: true, force: true });
  return { sha256: file.sha256 };
}

async function unpack(context: PartContext, type: 'tar' | 'zip' | 'deb' | 'file', file: FetchedFile): Promise<void> {
  const { src, run } = context.paths;
  const limits = limitsFor(file.size);
  const to = join(run, 'unpack');
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  if (type === 'tar') await extractTarFile(file.path, { to, archive: file.name, limits, absoluteLinks: 'refuse' });
  else if (type === 'zip') await extractZip(file.path, { to, archive: file.name, limits });
  else if (type === 'deb') await extractDeb(file.path, to, file.name);
  else await rename(file.path, join(to, file.name));
  await moveChildren(type === 'tar' ? await contentRoot(to) : to, src);
  await rm(to, { recursive: true, force: true });
}

/** A tarball that holds one directory means what is in that directory. */
async function contentRoot(directory: string): Promise<string> {
  const entries = await readdir(directory, { withFileTypes: true });
  const [only] = entries;
  return entries.length === 1 && only?.isDirectory() ? join(directory, only.name) : directory;
}

/** The source directory itself stays: a script that called `craftctl default` stands in it. */
async function moveChildren(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    await rm(join(to, name), { recursive: true, force: true });
    await rename(join(from, name), join(to, name));
  }
}
