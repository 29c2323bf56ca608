/**
 * Breaks a line between words so that it fits a terminal; what follows stands below it, two columns further in. A word that
 * does not fit (a URL, a path) stays whole, so that it can be copied.
 */
export function wrapLine(line: string, width: number): string[] {
  const indent = `${/^ */.exec(line)?.[0] ?? ''}  `;
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const before = rest.lastIndexOf(' ', width);
    const at = before > indent.length ? before : rest.indexOf(' ', Math.max(width, indent.length + 1));
    if (at < 0) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = indent + rest.slice(at).trimStart();
  }
  return [...lines, rest];
}
