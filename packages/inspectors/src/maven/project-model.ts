import { buffer } from 'node:stream/consumers';
import type { ArtifactMetadata, CatalogParser } from '@waybill/contracts';
import { formatPurl, stripControl } from '@waybill/contracts';
import { normalizeLicense } from '../license.js';
import type { Coordinates } from './repository-path.js';
import { readXmlValues, type XmlValues } from './xml-values.js';

/** Kind of the catalogs that poms are: what they say of an artifact its jar need not say again. */
export const pomKind = 'maven.pom';
export const pomBytes = 16 * 2 ** 20;

/** Scope of the pom of one version. */
export function pomScope(repositoryId: string, { group, artifact, version }: Coordinates): string {
  return `${pomKind}:${repositoryId}:${group}:${artifact}:${version}`;
}

/** A pom as far as it matters here. Expressions such as `${project.version}` are left as they are. */
export interface ProjectModel {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
  readonly parent: Coordinates | undefined;
  readonly description: string;
  readonly developers: readonly string[];
  readonly licenses: readonly string[];
}

/**
 * Reads a pom.
 * @throws XmlError
 */
export function readModel(bytes: Uint8Array): ProjectModel {
  const values = readXmlValues(bytes, 'project');
  const parent = {
    group: one(values, 'project/parent/groupId'),
    artifact: one(values, 'project/parent/artifactId'),
    version: one(values, 'project/parent/version'),
  };
  return {
    group: one(values, 'project/groupId') || parent.group,
    artifact: one(values, 'project/artifactId'),
    version: one(values, 'project/version') || parent.version,
    parent: parent.artifact ? parent : undefined,
    description: one(values, 'project/description') || one(values, 'project/name'),
    developers: many(values, 'project/developers/developer/name'),
    licenses: many(values, 'project/licenses/license/name'),
  };
}

export const pomParser: CatalogParser<ProjectModel> = {
  kind: pomKind,
  async parse(bytes) {
    const whole = await buffer(bytes);
    return readModel(whole);
  },
  weigh: (model) => 500 + 2 * JSON.stringify(model).length,
};

/** Whether a pom is the one of these coordinates; an expression says nothing against it. */
export function isModelOf({ artifact, version }: ProjectModel, wanted: Coordinates): boolean {
  const fits = (text: string, expected: string) => text === expected || text.includes('${');
  return fits(artifact, wanted.artifact) && fits(version, wanted.version);
}

/** What the report says of an artifact: its coordinates, and what its pom and, for the license, the pom's parents tell. */
export function artifactMetadata(
  { group, artifact, version }: Coordinates,
  models: readonly ProjectModel[],
): Partial<ArtifactMetadata> {
  const [own] = models;
  const licensed = models.find(({ licenses }) => licenses.length > 0);
  return {
    name: artifact,
    version,
    vendor: group,
    description: own?.description ?? '',
    author: (own?.developers ?? []).join(', ').slice(0, 1000),
    license: (licensed?.licenses ?? []).map(normalizeLicense).join(' OR ').slice(0, 1000),
    purl: formatPurl({ type: 'maven', namespace: group, name: artifact, version }),
  };
}

function one(values: XmlValues, path: string): string {
  return many(values, path)[0] ?? '';
}

function many(values: XmlValues, path: string): string[] {
  return (values.get(path) ?? [])
    .slice(0, 50)
    .map((text) => stripControl(text.slice(0, 1000)).replace(/\s+/g, ' ').trim());
}
