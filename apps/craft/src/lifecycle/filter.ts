import picomatch from 'picomatch';

/** Decides whether a path of a part's tree passes a `stage` or `prime` list. */
export type PathFilter = (path: string) => boolean;

/**
 * Compiles a fileset: globs of what goes on, `-` in front of what does not, `\-` for a name that begins with a dash. A
 * pattern that matches a directory means all of it. `*` and `?` stay in a directory, `**` does not; names that begin with
 * a dot match like others. Only exclusions mean "everything but"; an exclusion wins over an inclusion.
 */
export function compileFileset(entries: readonly string[]): PathFilter {
  const excludes = entries.filter((entry) => entry.startsWith('-')).map((entry) => entry.slice(1));
  const includes = entries.filter((entry) => !entry.startsWith('-')).map((entry) => entry.replace(/^\\-/, '-'));
  const included = includes.length > 0 ? matcher(includes) : () => true;
  const excluded = matcher(excludes);
  return (path) => {
    const prefixes = prefixesOf(path);
    return prefixes.some(included) && !prefixes.some(excluded);
  };
}

/** Whether the text is a pattern instead of a path. */
export function isGlob(text: string): boolean {
  return picomatch.scan(text).isGlob;
}

/** Matches paths of a tree against one pattern, without the directory rule of filesets. */
export function compilePattern(pattern: string): PathFilter {
  return matcher([pattern]);
}

function matcher(patterns: readonly string[]): PathFilter {
  const tests = patterns.map((pattern) =>
    picomatch(normalise(pattern), { dot: true, nonegate: true, noextglob: true }),
  );
  return (path) => tests.some((test) => test(path));
}

function normalise(pattern: string): string {
  return pattern.replace(/^(\.\/)+/, '').replace(/\/+$/, '') || '**';
}

/** `a/b/c` → `a`, `a/b`, `a/b/c`. */
function prefixesOf(path: string): string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
