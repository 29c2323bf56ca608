import type { CatalogParser, Digest, JsonValue } from '@waybill/contracts';
import { isHexDigest } from '@waybill/contracts';
import { projectJson } from '../json-projection.js';
import type { Coordinates } from './repository-path.js';

/** Kind of the catalogs that Gradle's module metadata are. */
export const moduleKind = 'maven.module';

/** Scope of the module metadata of one directory of a repository. */
export function moduleScope(repositoryId: string, directory: string): string {
  return `${moduleKind}:${repositoryId}:${directory}`;
}

/** Not module metadata. */
export class GradleModuleError extends Error {}

/** The immutable value: digests of files by name, strongest first. */
export interface GradleModule {
  readonly component: Coordinates;
  readonly files: ReadonlyMap<string, readonly Digest[]>;
}

const mostFiles = 10_000;
const algorithms = ['sha512', 'sha256', 'sha1'] as const;

/**
 * Reads a `.module` file.
 * @throws GradleModuleError, JsonProjectionError
 * @see Gradle Module Metadata specification 1.1
 */
export async function readGradleModule(bytes: Parameters<typeof projectJson>[0]): Promise<GradleModule> {
  const top = new Map<string, JsonValue>();
  await projectJson(
    bytes,
    {
      select: (path) => {
        if (path.length === 0) return 'enter';
        return ['formatVersion', 'component', 'variants'].includes(path[0] ?? '') ? 'take' : 'skip';
      },
      take: ([key = ''], value) => void top.set(key, value),
    },
    { maxBytes: 32 * 2 ** 20, maxValueBytes: 32 * 2 ** 20 },
  );
  if (!/^1\.\d{1,3}$/.test(String(top.get('formatVersion')))) throw new GradleModuleError('no formatVersion 1');
  const { group, module, version } = object(top.get('component'));
  if (typeof group !== 'string' || typeof module !== 'string' || typeof version !== 'string') {
    throw new GradleModuleError('no component');
  }
  const files = new Map<string, readonly Digest[]>();
  for (const variant of array(top.get('variants'))) {
    for (const entry of array(object(variant).files)) {
      const file = object(entry);
      // Where the file lies decides; a URL elsewhere is the file of another directory.
      const name = typeof file.url === 'string' ? file.url : file.name;
      if (typeof name !== 'string' || name.includes('/')) continue;
      const digests = algorithms.flatMap((algorithm): Digest[] => {
        const hex = file[algorithm];
        return typeof hex === 'string' && isHexDigest(algorithm, hex.toLowerCase())
          ? [{ algorithm, hex: hex.toLowerCase() }]
          : [];
      });
      const known = files.get(name);
      if (known && JSON.stringify(known) !== JSON.stringify(digests)) {
        throw new GradleModuleError(
          `${JSON.stringify(name.slice(0, 200))} has different digests in different variants`,
        );
      }
      if (files.size >= mostFiles) throw new GradleModuleError(`more than ${mostFiles} files`);
      files.set(name, digests);
    }
  }
  return { component: { group, artifact: module, version }, files };
}

export const moduleParser: CatalogParser<GradleModule> = {
  kind: moduleKind,
  parse: (bytes) => readGradleModule(bytes),
  weigh: ({ files }) => 500 + files.size * 700,
};

function object(value: JsonValue | undefined): Readonly<Record<string, JsonValue | undefined>> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, JsonValue>>) : {};
}

function array(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}
