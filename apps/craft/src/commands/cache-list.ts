import { chosenParts, openCacheOf } from './cache-build.js';
import { describeArtifact, type ShownArtifact } from './cache-show.js';
import type { CommandContext } from './command-context.js';

/** Something in the local cache. */
export interface ListedArtifact extends ShownArtifact {
  readonly project: string;
  readonly part: string;
  readonly platform: string;
  readonly key: string;
  readonly usedAt: string;
}

/** Options of `craft cache list` and `rm`. */
export interface CacheListOptions {
  /** All parts when empty. */
  readonly parts: readonly string[];
  readonly platform: string | undefined;
}

/** What the local cache has of this project, newest use first. */
export async function cacheList(command: CommandContext, options: CacheListOptions): Promise<ListedArtifact[]> {
  const { cache } = await openCacheOf(command);
  try {
    const prefix = `${encodeURIComponent(command.project.name)}/`;
    const entries = (await cache.list(prefix)).filter(
      ({ manifest }) =>
        (options.parts.length === 0 || options.parts.includes(manifest.part)) &&
        (options.platform === undefined || manifest.platform === options.platform),
    );
    return entries
      .sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime() || (a.key < b.key ? -1 : 1))
      .map((entry) => ({
        project: entry.manifest.project,
        part: entry.manifest.part,
        platform: entry.manifest.platform,
        key: entry.manifest.key,
        usedAt: entry.usedAt.toISOString(),
        ...describeArtifact(entry),
      }));
  } finally {
    await cache.close();
  }
}

/**
 * Removes what the local cache has of this project's parts; remotes keep what they have.
 * @throws CraftError CRAFT_PART_UNKNOWN
 */
export async function cacheRemove(command: CommandContext, options: CacheListOptions): Promise<ListedArtifact[]> {
  chosenParts(command, options.parts);
  const found = await cacheList(command, options);
  const { cache } = await openCacheOf(command);
  try {
    const removed: ListedArtifact[] = [];
    for (const entry of found) if ((await cache.remove(entry)) > 0) removed.push(entry);
    return removed;
  } finally {
    await cache.close();
  }
}
