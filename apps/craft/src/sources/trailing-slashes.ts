/** A path without slashes at its end. Names in archives may be a megabyte of slashes, which an expression reads quadratically. */
export function withoutTrailingSlashes(path: string): string {
  let end = path.length;
  while (path.charAt(end - 1) === '/') end -= 1;
  return path.slice(0, end);
}
