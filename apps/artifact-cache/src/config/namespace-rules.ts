import type { CacheEntryKind, NamespaceRules, OverwriteRule } from '@waybill/cache-store';
import { matchesPattern } from '../serving/grants.js';
import type { CacheConfig, NamespaceConfig } from './schema.js';

const kinds: readonly CacheEntryKind[] = [
  'artifact',
  'action',
  'raw',
  'asset-blob',
  'asset-directory',
  'reference',
  'turbo',
  'nx',
  'kv',
];

/** What the configuration says of namespaces. */
export interface ConfiguredNamespaces {
  /** undefined: there is no such namespace. */
  rules(namespace: string): NamespaceRules | undefined;
  /** Whether it is open to all, closed to all, or as the listener says. */
  isPublic(namespace: string): boolean | undefined;
  /** The pattern that a namespace falls under: what stands for it in numbers. */
  patternOf(namespace: string): string | undefined;
}

/** Of several patterns the most exact one counts: the name itself, then the longest `…/*`, then `*`. */
export function configuredNamespaces({ namespaces }: Pick<CacheConfig, 'namespaces'>): ConfiguredNamespaces {
  const patterns = Object.keys(namespaces).sort((a, b) => b.length - a.length);
  const patternOf = (name: string): string | undefined =>
    Object.hasOwn(namespaces, name) ? name : patterns.find((pattern) => matchesPattern(pattern, name));
  const found = (name: string): NamespaceConfig | undefined => {
    const pattern = patternOf(name);
    return pattern === undefined ? undefined : namespaces[pattern];
  };
  return {
    patternOf,
    isPublic: (name) => found(name)?.public,
    rules(name) {
      const config = found(name);
      return config && rulesOf(config);
    },
  };
}

function rulesOf(config: NamespaceConfig): NamespaceRules {
  return {
    quotaBytes: config.quota,
    lowWatermark: config['low-watermark'],
    hardLimitBytes: config['hard-limit'],
    maxBlobBytes: config['max-blob'],
    overwrite: overwriteOf(config.overwrite),
    readsThrough: config['reads-through'],
    unusedMs: config['unused-for'],
    readOnly: config['read-only'],
    rawActions: config['raw-actions'],
  };
}

function overwriteOf(config: NamespaceConfig['overwrite']): NamespaceRules['overwrite'] {
  if (typeof config !== 'string') return config;
  return Object.fromEntries(kinds.map((kind): [CacheEntryKind, OverwriteRule] => [kind, config]));
}
