import { collectLocked, digestsOfIntegrity, type LockedEntry, LockFileError, members, textOf } from './locked.js';

const deepest = 200;

/**
 * Entries of npm's `package-lock.json` or `npm-shrinkwrap.json`, lockfileVersion 1 to 3.
 * @throws LockFileError
 * @see npm docs, package-lock.json
 */
export function readPackageLock(text: string): readonly LockedEntry[] {
  let top: ReadonlyMap<string, unknown> | undefined;
  try {
    top = members(JSON.parse(text));
  } catch {
    throw new LockFileError('is not JSON');
  }
  const version = top?.get('lockfileVersion');
  if (version !== 1 && version !== 2 && version !== 3) {
    throw new LockFileError(`has the lockfileVersion ${JSON.stringify(version)}, expected 1, 2 or 3`);
  }
  const { add, entries } = collectLocked();
  if (version === 1) readTree(top?.get('dependencies'), add, 0);
  else for (const [path, entry] of members(top?.get('packages')) ?? []) addPackage(nameOfPath(path), entry, add);
  return entries;
}

function readTree(dependencies: unknown, add: (entry: LockedEntry) => void, depth: number): void {
  if (depth > deepest) throw new LockFileError(`nests deeper than ${deepest}`);
  for (const [name, entry] of members(dependencies) ?? []) {
    addPackage(name, entry, add);
    readTree(members(entry)?.get('dependencies'), add, depth + 1);
  }
}

/** `node_modules/a/node_modules/@scope/b` is of `@scope/b`. */
function nameOfPath(path: string): string {
  const folder = 'node_modules/';
  const at = path.lastIndexOf(folder);
  return at === -1 ? '' : path.slice(at + folder.length);
}

function addPackage(folder: string, value: unknown, add: (entry: LockedEntry) => void): void {
  const entry = members(value);
  const alias = /^npm:((?:@[^/@]+\/)?[^@]+)@(.+)$/.exec(textOf(entry?.get('version')) ?? '');
  const name = alias?.[1] ?? textOf(entry?.get('name'), 214) ?? folder;
  const version = alias?.[2] ?? textOf(entry?.get('version'), 256);
  const digests = digestsOfIntegrity(entry?.get('integrity'));
  const url = textOf(entry?.get('resolved'));
  if (name === '' || version === undefined || digests.length === 0 || (url !== undefined && !/^https?:/.test(url)))
    return;
  add({ ecosystem: 'npm', name, version, digests, url });
}
