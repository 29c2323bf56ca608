import { collectLocked, digestsOfIntegrity, type LockedEntry, LockFileError } from './locked.js';

/**
 * Entries of yarn 1's `yarn.lock`. That of yarn 2 and later has checksums of yarn's own cache files, which say nothing of tarballs.
 * @throws LockFileError
 * @see the parser of yarn 1, src/lockfile/parse.js, for the format
 */
export function readYarnLock(text: string): readonly LockedEntry[] {
  if (/^__metadata:/m.test(text)) {
    throw new LockFileError(
      'is of yarn 2 or later, whose checksums are of its own cache files and not of tarballs: leave it out, the packuments vouch',
    );
  }
  const { add, entries } = collectLocked();
  let names: readonly string[] = [];
  let fields = new Map<string, string>();
  const close = () => {
    const version = fields.get('version');
    const digests = digestsOfIntegrity(fields.get('integrity'));
    const url = fields.get('resolved')?.split('#', 1)[0];
    const name = names[0];
    if (name !== undefined && version !== undefined && digests.length > 0) {
      add({
        ecosystem: 'npm',
        name,
        version,
        digests,
        url: url !== undefined && /^https?:/.test(url) ? url : undefined,
      });
    }
    fields = new Map();
  };
  let number = 0;
  for (const line of text.split('\n')) {
    number += 1;
    const trimmed = line.trimEnd();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    if (trimmed.length > 64 * 1024) throw new LockFileError(`line ${number} is longer than 64 KiB`);
    if (!trimmed.startsWith(' ')) {
      if (!trimmed.endsWith(':')) throw new LockFileError(`line ${number} is no entry of a yarn.lock`);
      close();
      names = [nameOfPattern(unquote(trimmed.slice(0, -1).split(',', 1)[0] ?? ''))];
      continue;
    }
    // Deeper lines are dependencies, which have entries of their own.
    if (trimmed.startsWith('   ')) continue;
    const space = trimmed.indexOf(' ', 2);
    if (space > 2) fields.set(unquote(trimmed.slice(2, space)), unquote(trimmed.slice(space + 1)));
  }
  close();
  return entries;
}

/** `@scope/name@^1.0.0`; `alias@npm:name@^1.0.0` is of `name`. */
function nameOfPattern(pattern: string): string {
  const name = upToVersion(pattern);
  const rest = pattern.slice(name.length + 1);
  return rest.startsWith('npm:') ? upToVersion(rest.slice('npm:'.length)) : name;
}

function upToVersion(text: string): string {
  const at = text.indexOf('@', 1);
  return at === -1 ? text : text.slice(0, at);
}

function unquote(text: string): string {
  const trimmed = text.trim();
  return trimmed.length >= 2 && trimmed.startsWith('"') && trimmed.endsWith('"') ? trimmed.slice(1, -1) : trimmed;
}
