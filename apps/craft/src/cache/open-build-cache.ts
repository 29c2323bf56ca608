import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Cache, openCache, type RemoteSettings, remoteName, remotesFor } from '@waybill/cache-client';
import type { Logger, Project } from '@waybill/contracts';
import type { Progress } from '../output/progress.js';
import { waybillDirectories } from '../session/directories.js';
import { version } from '../version.js';
import { readRecommendation, readUserConfig } from './cache-config.js';
import type { AcceptRules } from './cache-policy.js';
import type { PushRule } from './store-parts.js';

/** What decides on the cache of a run. */
export interface CacheChoice {
  readonly project: Project;
  readonly projectDirectory: string;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly progress: Progress;
  /** `--cache` or `--no-cache`; `undefined`: as configured. */
  readonly wanted: boolean | undefined;
}

/** A cache as this user has configured it. */
export interface ConfiguredCache {
  readonly cache: Cache;
  /** The local cache's directory. Builds must not see it: what they took from there would be in no record. */
  readonly directory: string;
  readonly remotes: readonly RemoteSettings[];
  readonly rules: AcceptRules;
  readonly push: PushRule;
}

/** Bytes that the local cache may have unless the user says otherwise. */
const defaultQuotaBytes = 20 * 1024 ** 3;

/**
 * The cache of a run; `undefined` when none is wanted: there is one with `--cache`, or when the user's file names caches or
 * settings of them. What a project recommends alone turns nothing on.
 * @throws CraftError CRAFT_CONFIG_INVALID, CacheClientError CACHE_CONFIG_INVALID
 */
export async function openConfiguredCache(choice: CacheChoice): Promise<ConfiguredCache | undefined> {
  if (choice.wanted === false) return undefined;
  const { config: directory } = waybillDirectories(choice.env);
  const user = await readUserConfig(directory);
  const configured = user !== undefined && (user.cache?.enabled ?? (user.artifacts ?? user.projects) !== undefined);
  if (!configured && choice.wanted !== true) return undefined;
  const remotes = remotesFor({
    project: choice.project.name,
    user: { artifacts: user?.artifacts, projects: user?.projects, directory } as NonNullable<
      Parameters<typeof remotesFor>[0]['user']
    >,
    recommended: await readRecommendation(choice.projectDirectory),
  });
  const local = resolve(directory, user?.cache?.directory ?? cacheDirectory(choice.env));
  const cache = await openCache({
    local: {
      dir: local,
      quotaBytes: user?.cache?.quota ?? defaultQuotaBytes,
    },
    remotes,
    log: loggerOf(choice.progress),
    client: `craft/${version}`,
  });
  choice.progress.debug(`caches: local${remotes.map((remote) => `, ${remoteName(remote)}`).join('')}`);
  return {
    cache,
    directory: await realpath(local).catch(() => local),
    remotes,
    rules: user?.cache?.accept ?? {},
    push: user?.cache?.push ?? 'always',
  };
}

/** Where the local cache of this user lies. */
export function cacheDirectory(env: Readonly<NodeJS.ProcessEnv>): string {
  return join(waybillDirectories(env).cache, 'artifacts');
}

/** What was said of a server is not said again for the other direction. */
function loggerOf(progress: Progress): Logger {
  const told = new Set<string>();
  const warn = (_fields: unknown, message: string) => {
    if (!told.has(message)) progress.warn(message);
    told.add(message);
  };
  const debug = (_fields: unknown, message: string) => progress.debug(message);
  return { debug, info: debug, warn, error: warn };
}
