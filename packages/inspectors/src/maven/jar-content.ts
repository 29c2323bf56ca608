import { ArchiveError, type ArchiveLimits } from '../archive/expand.js';
import { pathEscapes } from '../archive/tar.js';
import { walkZip, type ZipSource } from '../archive/zip.js';
import { type ProjectModel, pomBytes, readModel } from './project-model.js';
import type { Coordinates } from './repository-path.js';
import { XmlError } from './xml-values.js';

/** What a jar says of itself. */
export interface JarContent {
  /** The pom inside that has the wanted group and artifact. */
  readonly own: ProjectModel | undefined;
  /** Poms of others: of what was merged into it. */
  readonly others: readonly string[];
}

const mostOthers = 500;

/**
 * Reads the poms inside a jar (`META-INF/maven/<group>/<artifact>/pom.xml`).
 * @throws ArchiveError
 */
export async function readJar(
  source: ZipSource,
  wanted: Coordinates,
  options: { readonly limits: ArchiveLimits; readonly signal: AbortSignal },
): Promise<JarContent> {
  let own: ProjectModel | undefined;
  const others: string[] = [];
  await walkZip(
    source,
    async (member) => {
      const danger = pathEscapes(member.path);
      if (danger)
        throw new ArchiveError(`the archive has a member with ${danger}: ${JSON.stringify(member.path.slice(0, 200))}`);
      const [, group, artifact] = /^META-INF\/maven\/([^/]+)\/([^/]+)\/pom\.xml$/.exec(member.path) ?? [];
      if (group === undefined || artifact === undefined) return;
      if (group !== wanted.group || artifact !== wanted.artifact) {
        if (others.length < mostOthers) others.push(`${group}:${artifact}`);
        return;
      }
      own = parse(await member.read(pomBytes), member.path);
    },
    options,
  );
  return { own, others };
}

function parse(bytes: Buffer, path: string): ProjectModel {
  try {
    return readModel(bytes);
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    throw new ArchiveError(`${path.slice(0, 300)} ${error.message}`, { cause: error });
  }
}
