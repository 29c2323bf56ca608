import { CraftError } from '../errors.js';
import { type CacheBuildOptions, findArtifact, withCacheBuilds } from './cache-build.js';
import { describeArtifact, type ShownArtifact } from './cache-show.js';
import type { CommandContext } from './command-context.js';

/** What became of a part. */
export interface Transfer {
  readonly platform: string;
  readonly part: string;
  /**
   * `here`: it is in the local cache, now or before; `pushed`, `exists`: on the remote; `missing`: nobody has it; `unknown`: only its pull
   * shows what it is made of; `failed`: the remote did not take it.
   */
  readonly outcome: 'here' | 'missing' | 'unknown' | 'pushed' | 'exists' | 'failed';
  readonly remote: string | undefined;
  readonly artifact: ShownArtifact | undefined;
  readonly error: string | undefined;
}

/** What such a command did, and what it has to answer for. */
export interface Transfers {
  readonly parts: readonly Transfer[];
  readonly errors: readonly unknown[];
}

/**
 * Brings what parts would be built to into the local cache.
 * @throws CraftError
 */
export async function cachePull(command: CommandContext, options: CacheBuildOptions): Promise<Transfers> {
  const found = await withCacheBuilds(command, options, (build) =>
    Promise.all(
      build.parts.map(async (part): Promise<Transfer> => {
        const place = { platform: build.context.item.platform, part, remote: undefined, error: undefined };
        const document = await build.keys.document(part);
        if (!document) return { ...place, outcome: 'unknown', artifact: undefined };
        const artifact = await findArtifact(build, part, document, 'pull');
        return { ...place, outcome: artifact ? 'here' : 'missing', artifact: artifact && describeArtifact(artifact) };
      }),
    ),
  );
  return { parts: found.flat(), errors: [] };
}

/**
 * Brings what the local cache has for parts to every remote that is written to.
 * @throws CraftError CRAFT_CACHE_FAILED when there is no such remote
 */
export async function cachePush(command: CommandContext, options: CacheBuildOptions): Promise<Transfers> {
  const found = await withCacheBuilds(command, options, async (build) => {
    if (!build.remotes.some(({ push }) => push)) throw nowhere();
    const rows: Transfer[] = [];
    for (const part of build.parts) {
      const place = { platform: build.context.item.platform, part, remote: undefined, error: undefined };
      const document = await build.keys.document(part);
      const artifact = document && (await findArtifact(build, part, document, 'find'));
      if (!artifact) {
        rows.push({ ...place, outcome: document ? 'missing' : 'unknown', artifact: undefined });
        continue;
      }
      const shown = describeArtifact(artifact);
      for (const { remote, outcome, error } of await build.cache.push(artifact, { signal: build.context.signal }))
        rows.push({ ...place, remote, outcome, artifact: shown, error: error?.message });
    }
    return rows;
  });
  const parts = found.flat();
  const failed = parts.filter(({ outcome }) => outcome === 'failed');
  return { parts, errors: failed.length === 0 ? [] : [notPushed(failed)] };
}

function nowhere(): CraftError {
  return new CraftError('CRAFT_CACHE_FAILED', 'no cache is configured that may be written to', {
    hint: 'name one with push-url, or with push: true, in craft.yaml of your configuration: docs/artifact-cache/craft.md',
  });
}

function notPushed(failed: readonly Transfer[]): CraftError {
  return new CraftError(
    'CRAFT_CACHE_FAILED',
    `not pushed: ${[...new Set(failed.map(({ part }) => part))].join(', ')}`,
    {
      details: failed.map(({ part, remote, error }) => `  ${part} to ${remote}: ${error ?? 'no reason given'}`),
    },
  );
}
