/**
 * Whether a path of an index is relative and stays below its base: no empty, `.` or `..` segment, no backslash, no control
 * character.
 */
export function isSafePath(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (path === '' || path.length > 4096 || /[\0-\x1f\x7f\\]/.test(path)) return false;
  return path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..');
}

/** A path of an index without the `./` that some tools put in front. */
export function withoutDot(path: string): string {
  return path.replace(/^(\.\/)+/, '');
}
