/** What a path below a module proxy's base names. */
export type ProxyResource =
  | { readonly kind: 'list' | 'latest'; readonly module: string }
  | { readonly kind: 'info' | 'mod' | 'zip'; readonly module: string; readonly version: string };

/** Semantic versions of Go with `v`, pseudo-versions and `+incompatible` among them. */
const semantic = /^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;
const longestPath = 1024;

/**
 * Reads a path of the module proxy protocol: `<module>/@v/list`, `<module>/@latest`, `<module>/@v/<version>.info|.mod|.zip`, with
 * module and version in their case encoding. undefined for everything else.
 * @see the Go modules reference, "GOPROXY protocol"
 */
export function parseProxyPath(path: string): ProxyResource | undefined {
  const match = /^([^@]+)\/@(?:(latest)|v\/(list)|v\/([^/]+)\.(info|mod|zip))$/.exec(path);
  const module = match?.[1] === undefined ? undefined : unescapePath(match[1]);
  if (!match || module === undefined || !isModulePath(module)) return undefined;
  const [, , latest, list, escaped, kind] = match;
  if (latest) return { kind: 'latest', module };
  if (list) return { kind: 'list', module };
  const version = unescapePath(escaped ?? '');
  if (version === undefined || version.length > longestPath) return undefined;
  // `.info` is also asked for branches and commits; files are of versions only.
  if (kind === 'info') return { kind, module, version };
  return isGoVersion(version) ? { kind: kind as 'mod' | 'zip', module, version } : undefined;
}

/** Whether a text is a version as modules have them. */
export function isGoVersion(text: string): boolean {
  return text.length <= 256 && semantic.test(text);
}

/** Whether a text is a module's path: elements of letters, digits and a few signs, none of them dots alone. */
export function isModulePath(text: string): boolean {
  if (text === '' || text.length > longestPath) return false;
  return text.split('/').every((part) => /^[A-Za-z0-9_.~-]{1,255}$/.test(part) && !/^\.+$/.test(part));
}

/** `!a` stands for `A`: paths must differ on file systems that know no case. undefined when a text is not encoded so. */
export function unescapePath(text: string): string | undefined {
  if (/[A-Z]|![^a-z]|!$/.test(text)) return undefined;
  return text.replace(/!([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The encoding of {@link unescapePath}. */
export function escapePath(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);
}
