/**
 * Breaks a line between words so that it fits a terminal; what follows stands below it, two columns further in. A word that
 * fits on no line of its own (a URL, a path) stays where it is and whole, so that it can be copied.
 */
export function wrapLine(line: string, width: number): string[] {
  const indent = `${/^ */.exec(line)?.[0] ?? ''}  `;
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const at = breakAt(rest, width, indent.length);
    if (at < 0) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = indent + rest.slice(at).trimStart();
  }
  return [...lines, rest];
}

/** Place of a space; -1 when there is none to break at. */
function breakAt(text: string, width: number, indent: number): number {
  const before = text.lastIndexOf(' ', width);
  const end = text.indexOf(' ', Math.max(before + 1, indent + 1));
  const word = (end < 0 ? text.length : end) - before - 1;
  return before > indent && indent + word <= width ? before : end;
}
