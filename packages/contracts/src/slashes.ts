/** A path without slashes at its end. Text of others may be a megabyte of slashes, which an expression reads quadratically. */
export function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (path.charAt(end - 1) === '/') end -= 1;
  return path.slice(0, end);
}

/** The same at both ends. */
export function withoutOuterSlashes(path: string): string {
  let start = 0;
  while (path.charAt(start) === '/') start += 1;
  return withoutTrailingSlashes(path.slice(start));
}
