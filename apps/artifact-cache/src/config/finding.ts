/** Something a configuration text says that cannot stand, or that surely is not meant. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  /** Dotted place in the document, empty for the document itself. */
  readonly path: string;
  readonly message: string;
  /** One-based; undefined when the value did not come from a text. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/** `inspectors.yaml:12:5: apt.repositories.debian.suites: …`, parts that are unknown left out. */
export function formatFinding(finding: Finding, name?: string): string {
  const place = [name, finding.line, finding.column].filter((part) => part !== undefined).join(':');
  const severity = finding.severity === 'warning' ? 'warning' : undefined;
  return [place || undefined, severity, finding.path || undefined, finding.message].filter((part) => part).join(': ');
}

/** Path of a value as people write it: `apt.repositories.debian.urls[0]`; keys with other characters are quoted. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      const text = String(part);
      const name = /^[\w@/-]+$/.test(text) ? text : JSON.stringify(text.slice(0, 100));
      return index === 0 ? name : `.${name}`;
    })
    .join('');
}

/** A line each. @param name of what was read */
export function findingLines(findings: readonly Finding[], name: string): string[] {
  return findings.filter((finding) => finding.message).map((finding) => formatFinding(finding, name));
}
