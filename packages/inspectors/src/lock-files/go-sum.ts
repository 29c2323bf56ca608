import { collectLocked, type LockedEntry, LockFileError } from './locked.js';

/**
 * Entries of `go.sum`: the `h1:` of each module's zip and of its go.mod. Other algorithms count for nothing.
 * @throws LockFileError
 * @see Go Modules Reference, go.sum files
 */
export function readGoSum(text: string): readonly LockedEntry[] {
  const { add, entries } = collectLocked();
  let number = 0;
  for (const raw of text.split('\n')) {
    number += 1;
    const line = raw.trim();
    if (line === '') continue;
    const [name = '', versioned = '', sum = '', ...more] = line.split(/[ \t]+/, 4);
    if (sum === '' || more.length > 0 || line.length > 4096)
      throw new LockFileError(`line ${number} is not <module> <version> <sum>`);
    const part = versioned.endsWith('/go.mod') ? 'mod' : 'zip';
    const version = part === 'mod' ? versioned.slice(0, -'/go.mod'.length) : versioned;
    if (/^h1:[A-Za-z0-9+/]{43}=$/.test(sum))
      add({ ecosystem: 'go', name, version, digests: [], sum: { part, text: sum } });
  }
  return entries;
}
