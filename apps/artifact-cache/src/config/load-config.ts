import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseBlobStoreUrl } from '@waybill/blob-store';
import { ArtifactCacheError, messageOf, systemCode } from '../errors.js';
import { type Finding, findingLines } from './finding.js';
import { configuredNamespaces } from './namespace-rules.js';
import { type CacheConfig, configSchema } from './schema.js';
import { type Place, readYaml } from './yaml-text.js';

/** Where the configuration is looked for when nobody says. */
export const defaultConfigFile = '/etc/artifact-cache/config.yaml';

type Environment = Readonly<Record<string, string | undefined>>;

/** A configuration and the file that it came from; its paths are absolute. */
export interface LoadedConfig {
  readonly file: string;
  readonly config: CacheConfig;
}

/** `--config`, else `ARTIFACT_CACHE_CONFIG`, else the file of the system. */
export function configFileOf(option: string | undefined, environment: Environment): string {
  return resolve(option ?? environment.ARTIFACT_CACHE_CONFIG ?? defaultConfigFile);
}

/** @throws ArtifactCacheError SERVER_CONFIG_MISSING, SERVER_CONFIG_INVALID */
export async function loadConfig(file: string, environment: Environment): Promise<LoadedConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const isMissing = systemCode(cause) === 'ENOENT';
    throw new ArtifactCacheError(
      isMissing ? 'SERVER_CONFIG_MISSING' : 'SERVER_CONFIG_INVALID',
      isMissing ? `there is no ${file}` : `${file} cannot be read: ${messageOf(cause)}`,
      { hint: 'write one with: artifact-cache init DIR, then start with --config DIR/config.yaml', cause },
    );
  }
  return { file, config: readConfig(text, file, environment) };
}

/**
 * Reads and checks a text. Paths in it are relative to the file's directory.
 * @throws ArtifactCacheError SERVER_CONFIG_INVALID, with all faults that were found, a line each
 */
export function readConfig(text: string, file: string, environment: Environment = {}): CacheConfig {
  const read = readYaml(text, configSchema, (document) => override(document, environment));
  if ('findings' in read) throw invalid(read.findings, file);
  const config = absolute(read.value, dirname(file));
  const findings = inconsistencies(config, read.place);
  if (findings.length > 0) throw invalid(findings, file);
  return config;
}

const overrides = {
  ARTIFACT_CACHE_BLOBS: ['storage', 'blobs'],
  ARTIFACT_CACHE_DATABASE: ['storage', 'database'],
  ARTIFACT_CACHE_PULL_URL: ['pull-url'],
  ARTIFACT_CACHE_PUSH_URL: ['push-url'],
  ARTIFACT_CACHE_LOG: ['log'],
  /** Address of the first listener; what else it says stays. */
  ARTIFACT_CACHE_LISTEN: ['listen', '0', 'address'],
} as const;

/** Puts what the environment says in place of what the file says: for containers, where the file is the image's. */
function override(document: unknown, environment: Environment): unknown {
  if (typeof document !== 'object' || document === null) return document;
  const changed = structuredClone(document) as Record<string, unknown>;
  for (const [name, path] of Object.entries(overrides)) {
    const value = environment[name];
    if (value === undefined || value === '') continue;
    if (path[0] === 'listen' && !Array.isArray(changed.listen)) changed.listen = [{}];
    let at: Record<string, unknown> = changed;
    for (const key of path.slice(0, -1)) {
      if (typeof at[key] !== 'object' || at[key] === null) at[key] = {};
      at = at[key] as Record<string, unknown>;
    }
    at[path.at(-1) as string] = value;
  }
  return changed;
}

function absolute(config: CacheConfig, directory: string): CacheConfig {
  const path = (file: string) => resolve(directory, file);
  const url = (text: string) =>
    /^file:(?!\/)/.test(text) ? `file:${join(directory, text.slice('file:'.length))}` : text;
  return {
    ...config,
    storage: { blobs: url(config.storage.blobs), database: url(config.storage.database) },
    listen: config.listen.map((listener) => ({
      ...listener,
      tls: listener.tls && {
        ...listener.tls,
        cert: path(listener.tls.cert),
        key: path(listener.tls.key),
        'client-ca': listener.tls['client-ca'] === undefined ? undefined : path(listener.tls['client-ca']),
      },
    })),
  };
}

/** What no schema sees: things that do not go together. */
function inconsistencies(config: CacheConfig, place: (path: readonly PropertyKey[]) => Place): Finding[] {
  const findings: Finding[] = [];
  const fault = (path: readonly PropertyKey[], message: string) =>
    findings.push({ severity: 'error', path: path.join('.'), message, ...place(path) });
  try {
    parseBlobStoreUrl(config.storage.blobs);
  } catch (cause) {
    fault(['storage', 'blobs'], messageOf(cause));
  }
  if (!/^(file:|postgres(ql)?:\/\/|:memory:$)/.test(config.storage.database)) {
    fault(['storage', 'database'], 'expected file:/path/index.sqlite or postgres://…');
  }
  config.listen.forEach((listener, index) => {
    const needsCa = listener.certified !== 'none' || listener.tls?.['client-certificates'] === 'required';
    if (needsCa && !listener.tls?.['client-ca']) fault(['listen', index], 'client certificates need tls.client-ca');
  });
  const known = configuredNamespaces(config);
  for (const [name, { 'reads-through': parent, quota, 'hard-limit': hard }] of Object.entries(config.namespaces)) {
    if (hard !== undefined && quota !== undefined && hard < quota) {
      fault(['namespaces', name, 'hard-limit'], 'it is below the quota');
    }
    if (parent === undefined) continue;
    const at = ['namespaces', name, 'reads-through'];
    if (!known.rules(parent)) fault(at, `there is no namespace ${JSON.stringify(parent)}`);
    else if (isCircle(parent, known)) fault(at, 'it leads back to where it began');
  }
  return findings;
}

function isCircle(start: string, known: ReturnType<typeof configuredNamespaces>): boolean {
  const seen = new Set<string>();
  for (let name: string | undefined = start; name !== undefined; name = known.rules(name)?.readsThrough) {
    if (seen.has(name)) return true;
    seen.add(name);
  }
  return false;
}

function invalid(findings: readonly Finding[], file: string): ArtifactCacheError {
  return new ArtifactCacheError('SERVER_CONFIG_INVALID', findingLines(findings, file).join('\n'), {
    hint: 'docs/artifact-cache/configuration.md has all keys; artifact-cache check looks at a file without starting anything',
  });
}
