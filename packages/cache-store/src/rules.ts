import type { CacheEntryKind, NamespaceRules, OverwriteRule } from './cache-store.js';
import { CacheStoreError } from './errors.js';

/** sha256 of nothing: the blob that is always there. */
export const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const segment = '[A-Za-z0-9][A-Za-z0-9._-]*';
const namespaceName = new RegExp(`^${segment}(/${segment})*$`);

/** Words that end an instance name in resource names of the Remote Execution API. specs/artifact-cache.md §4.2. */
const reserved = new Set([
  'blobs',
  'uploads',
  'actions',
  'actionResults',
  'operations',
  'capabilities',
  'compressed-blobs',
]);

/**
 * Namespaces are paths: one or more segments of letters, digits, `.`, `_` and `-`, at most 200 characters in all.
 * @throws CacheStoreError CACHE_NAMESPACE_INVALID
 */
export function checkNamespaceName(name: string): void {
  if (name.length <= 200 && namespaceName.test(name) && !name.split('/').some((part) => reserved.has(part))) return;
  throw new CacheStoreError(
    'CACHE_NAMESPACE_INVALID',
    `${JSON.stringify(name.slice(0, 200))} is no name of a namespace`,
    {
      hint: `use letters, digits, '.', '_' and '-' in segments divided by '/', none of them ${[...reserved].join(', ')}`,
    },
  );
}

/** @throws CacheStoreError CACHE_KEY_INVALID */
export function checkKey(key: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (key.length >= 1 && key.length <= 1024 && !/[\u0000-\u001f\u007f]/.test(key) && key.isWellFormed()) return;
  throw new CacheStoreError('CACHE_KEY_INVALID', `${JSON.stringify(key.slice(0, 80))} is no key of an entry`, {
    hint: 'keys have 1 to 1024 characters, none of them a control character',
  });
}

/** Kinds whose clients write new content under an old name as a matter of course. specs/artifact-cache.md §1, §3.8, §5.3. */
const mutable: ReadonlySet<CacheEntryKind> = new Set(['asset-blob', 'asset-directory', 'reference', 'kv', 'raw']);

/** What a namespace does with a name that has another value. */
export function overwriteRule(rules: NamespaceRules, kind: CacheEntryKind, asked?: OverwriteRule): OverwriteRule {
  const configured = rules.overwrite?.[kind];
  // A protocol may ask for less than the namespace allows, never for more.
  if (configured === 'first-wins') return 'first-wins';
  return asked ?? configured ?? (mutable.has(kind) ? 'last-wins' : 'first-wins');
}
