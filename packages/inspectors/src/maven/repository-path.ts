/** Group, artifact and version of a Maven artifact. */
export interface Coordinates {
  readonly group: string;
  readonly artifact: string;
  /** Of the directory: `1.0-SNAPSHOT` also where the file has a time stamp. */
  readonly version: string;
}

/** What a path below a repository's base names. */
export type MavenResource =
  | {
      readonly kind: 'metadata';
      /** Group and artifact, or a group alone, as path elements. */
      readonly directory: string;
    }
  | (Coordinates & {
      readonly kind: 'pom' | 'module' | 'archive' | 'file';
      readonly file: string;
      readonly directory: string;
    })
  | {
      /** A checksum or signature of another file. */
      readonly kind: 'checksum' | 'signature';
      /** Of the file that it belongs to. */
      readonly path: string;
      readonly algorithm: string;
    };

const element = /^[A-Za-z0-9_+~!$'(),;=@-][\w.+~!$'(),;=@-]{0,254}$/;
const checksums: ReadonlySet<string> = new Set(['md5', 'sha1', 'sha256', 'sha512']);
/** Archives that hold classes and their pom. */
const archives: ReadonlySet<string> = new Set(['jar', 'war', 'ear', 'aar', 'maven-plugin', 'bundle', 'klib']);

/**
 * Reads a path of the Maven 2 layout; undefined for everything else.
 * @see https://maven.apache.org/repositories/layout.html
 */
export function parseRepositoryPath(path: string): MavenResource | undefined {
  const segments = path.split('/').map(decoded);
  if (segments.length < 2 || segments.length > 60 || !segments.every((segment) => element.test(segment)))
    return undefined;
  const file = segments.at(-1) as string;
  const [, base, suffix = ''] = /^(.+)\.(md5|sha1|sha256|sha512|asc)$/.exec(file) ?? [];
  if (base !== undefined) {
    const inner = [...segments.slice(0, -1), base].join('/');
    if (!parseRepositoryPath(inner)) return undefined;
    const kind = checksums.has(suffix) ? 'checksum' : 'signature';
    return { kind, path: inner, algorithm: suffix };
  }
  const directory = segments.slice(0, -1).join('/');
  if (file === 'maven-metadata.xml') return { kind: 'metadata', directory };
  if (segments.length < 4) return undefined;
  const [artifact, version] = segments.slice(-3, -1) as [string, string];
  const rest = fileTail(file, artifact, version);
  if (rest === undefined) return undefined;
  const extension = /\.([^.]+)$/.exec(rest)?.[1]?.toLowerCase() ?? '';
  const kind =
    extension === 'pom' ? 'pom' : extension === 'module' ? 'module' : archives.has(extension) ? 'archive' : 'file';
  return { kind, group: segments.slice(0, -3).join('.'), artifact, version, file, directory };
}

/** What follows `<artifact>-<version>`: `[-classifier].<extension>`; snapshots have a time stamp in place of `SNAPSHOT`. */
function fileTail(file: string, artifact: string, version: string): string | undefined {
  if (!file.startsWith(`${artifact}-`)) return undefined;
  const rest = file.slice(artifact.length + 1);
  if (rest.startsWith(version) && /^[-.]/.test(rest.slice(version.length))) return rest.slice(version.length);
  if (!version.endsWith('-SNAPSHOT')) return undefined;
  const base = version.slice(0, -'SNAPSHOT'.length);
  const stamp = rest.startsWith(base) ? /^\d{8}\.\d{6}-\d+(?=[-.])/.exec(rest.slice(base.length))?.[0] : undefined;
  return stamp === undefined ? undefined : rest.slice(base.length + stamp.length);
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}
