import { parse } from 'yaml';
import { collectLocked, digestsOfIntegrity, type LockedEntry, LockFileError, members, textOf } from './locked.js';

/**
 * Entries of `pnpm-lock.yaml`, lockfileVersion 5 to 9.
 * @throws LockFileError
 * @see pnpm's packages/lockfile types
 */
export function readPnpmLock(text: string): readonly LockedEntry[] {
  const top = members(readYaml(text));
  const format = Number.parseInt(String(top?.get('lockfileVersion') ?? ''), 10);
  if (!(format >= 5 && format <= 9)) throw new LockFileError('has no lockfileVersion from 5 to 9');
  const { add, entries } = collectLocked();
  for (const [key, value] of members(top?.get('packages')) ?? []) {
    const entry = members(value);
    const resolution = members(entry?.get('resolution'));
    const digests = digestsOfIntegrity(resolution?.get('integrity'));
    const [name, version] = nameAndVersion(key, format);
    const wanted = textOf(entry?.get('version'), 256) ?? version;
    if (!name || !wanted || digests.length === 0) continue;
    const own = textOf(entry?.get('name'), 214) ?? name;
    add({ ecosystem: 'npm', name: own, version: wanted, digests, url: textOf(resolution?.get('tarball')) });
  }
  return entries;
}

function readYaml(text: string): unknown {
  // pnpm writes a document of its own settings in front in some versions.
  const plain = text.replaceAll('\r\n', '\n');
  const last = plain.slice(Math.max(0, plain.lastIndexOf('\n---\n')));
  try {
    return parse(last, { maxAliasCount: 0, schema: 'failsafe', uniqueKeys: false, logLevel: 'error' });
  } catch (error) {
    throw new LockFileError(`is not YAML: ${error instanceof Error ? error.message.split('\n')[0] : ''}`);
  }
}

/** `/name/1.0.0_peers` (5), `/name@1.0.0(peers)` (6), `name@1.0.0` (9). */
function nameAndVersion(key: string, format: number): [string | undefined, string | undefined] {
  const path = key.replace(/^\//, '').split('(', 1)[0] ?? '';
  const scoped = path.startsWith('@') ? path.indexOf('/') + 1 : 0;
  const at = path.indexOf(format === 5 ? '/' : '@', scoped || 1);
  if (at <= 0 || path.length > 512) return [undefined, undefined];
  const version = path.slice(at + 1);
  return [path.slice(0, at), format === 5 ? version.split('_', 1)[0] : version];
}
