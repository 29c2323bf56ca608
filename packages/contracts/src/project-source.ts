/** What a part's `source` may be, in the order in which {@link inferSourceType} tries their patterns. */
export const sourceTypes = ['git', 'tar', 'zip', 'deb', 'file', 'local'] as const;
/** One of {@link sourceTypes}. */
export type SourceType = (typeof sourceTypes)[number];

const sourcePatterns: readonly (readonly [RegExp, SourceType])[] = [
  [/^(git@|git:|git\+|ssh:)|\.git$/, 'git'],
  [/\.(tar(\.[a-z0-9]+)?|tgz|tbz2?|txz|tzst)$/i, 'tar'],
  [/\.zip$/i, 'zip'],
  [/\.deb$/i, 'deb'],
];

/**
 * Source type of a `source` without `source-type`: by its last path component, so a query does not hide it. Text
 * without a URL scheme that matches no pattern is a local directory; a URL that matches none gives `undefined`.
 */
export function inferSourceType(source: string): SourceType | undefined {
  const path = source.replace(/^(https?:\/\/[^?#]*)[?#].*$/i, '$1');
  for (const [pattern, type] of sourcePatterns) if (pattern.test(path)) return type;
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(source) ? undefined : 'local';
}
