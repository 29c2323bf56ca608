import { userInfo } from 'node:os';
import type { CacheGrant, CacheStore, CacheWriter } from '@waybill/cache-store';
import { configFileOf, type LoadedConfig, loadConfig } from '../config/load-config.js';
import { parseDuration } from '../config/units.js';
import { ArtifactCacheError } from '../errors.js';
import { openCache } from '../serve/open-cache.js';
import type { Serving } from '../serving/serving.js';

/** What a command gives back: lines for people, a value for programs. */
export interface CommandResult {
  readonly lines: readonly string[];
  readonly value: unknown;
  /** What makes the exit code 1 although the command did its work. */
  readonly problem?: ArtifactCacheError | undefined;
}

/** What commands are given of the process. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** All of standard input. */
  readonly input: () => Promise<string>;
}

/** Opens the cache that a configuration names, beside a server that may run, and closes it after the work. */
export async function withCache<Result>(
  { env }: CommandContext,
  option: string | undefined,
  work: (cache: { store: CacheStore; serving: Serving; loaded: LoadedConfig }) => Promise<Result>,
): Promise<Result> {
  const loaded = await loadConfig(configFileOf(option, env), env);
  const { store, serving, close } = await openCache(loaded.config);
  try {
    return await work({ store, serving, loaded });
  } finally {
    await close();
  }
}

/** Who runs the command, for the audit log. */
export function operator(): CacheWriter {
  return { principal: `operator:${userInfo().username}`, client: 'artifact-cache' };
}

/** `NAMESPACE=RIGHT`, e.g. `main=write`, `pr/*=write`, `*=read`. @throws ArtifactCacheError SERVER_USAGE */
export function parseGrant(text: string): CacheGrant {
  const [, namespace = '', right = ''] = /^([^=]+)=(read|write|admin)$/.exec(text) ?? [];
  const isPattern = /^(\*|[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)*(\/\*)?)$/.test(namespace);
  if (isPattern) return { namespace, right: right as CacheGrant['right'] };
  throw usage(
    `${JSON.stringify(text.slice(0, 100))} is no grant`,
    'write NAMESPACE=RIGHT, e.g. main=write, pr/*=write or *=read',
  );
}

/** A point in time from now. @throws ArtifactCacheError SERVER_USAGE */
export function parseExpiry(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw usage(`${JSON.stringify(text.slice(0, 40))} is no duration`, 'write e.g. 90d or 12h');
  return new Date(Date.now() + ms);
}

/** @throws ArtifactCacheError SERVER_USAGE */
export function checkPrincipalName(name: string): string {
  if (/^[A-Za-z0-9._@-]{1,128}$/.test(name)) return name;
  throw usage(
    `${JSON.stringify(name.slice(0, 130))} is no name`,
    "names have 1 to 128 letters, digits, '.', '_', '@' and '-'",
  );
}

export function usage(message: string, hint: string): ArtifactCacheError {
  return new ArtifactCacheError('SERVER_USAGE', message, { hint });
}
