/** Crate names: ASCII letters, digits, `-`, `_`; cargo allows 64 characters, other registries up to 255. */
const crateName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,254}$/;

/** What a path below an index's base names. */
export type IndexResource =
  | { readonly kind: 'config' }
  | {
      readonly kind: 'crate';
      /** As in the path: lower case. */
      readonly name: string;
    }
  | {
      /** The index as a git repository. */
      readonly kind: 'git';
    };

/**
 * Reads a path of a sparse index: `config.json`, `1/a`, `2/ab`, `3/a/abc`, `ab/cd/abcd`. undefined for everything else.
 * @see the cargo book, "Registry Index", index files
 */
export function parseIndexPath(path: string): IndexResource | undefined {
  if (path === 'config.json') return { kind: 'config' };
  if (/^(info\/refs(\?|$)|git-upload-pack$)/.test(path)) return { kind: 'git' };
  const segments = path.split('/');
  const name = segments.at(-1) ?? '';
  if (!isCrateName(name) || name !== name.toLowerCase() || path !== indexPathOf(name)) return undefined;
  return { kind: 'crate', name };
}

/** Where the lines of a crate lie below the index's base. */
export function indexPathOf(name: string): string {
  const lower = name.toLowerCase();
  if (lower.length < 3) return `${lower.length}/${lower}`;
  if (lower.length === 3) return `3/${lower[0]}/${lower}`;
  return `${lower.slice(0, 2)}/${lower.slice(2, 4)}/${lower}`;
}

/** Whether a text is a crate's name. */
export function isCrateName(text: string): boolean {
  return crateName.test(text);
}

/** Whether a text is a version as crates have them: semantic, with pre-release and build metadata. */
export function isCrateVersion(text: string): boolean {
  return text.length <= 256 && /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/.test(text);
}

/** Name and version out of a download URL's path, in the forms that registries use; undefined when it tells neither. */
export function parseCratePath(path: string): { readonly name: string; readonly version: string } | undefined {
  const segments = path.split('/').map(decoded);
  if (segments.at(-1) === 'download') {
    const [name = '', version = ''] = segments.slice(-3, -1);
    return isCrateName(name) && isCrateVersion(version) ? { name, version } : undefined;
  }
  const file = /^(.+)\.crate$/.exec(segments.at(-1) ?? '')?.[1] ?? '';
  // A name may hold `-1`, a version begins with digits and a dot: the first dash before those parts the two.
  const match = /^(.+?)-(\d+\.\d+\.\d+.*)$/.exec(file);
  const [, name = '', version = ''] = match ?? [];
  return isCrateName(name) && isCrateVersion(version) ? { name, version } : undefined;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
