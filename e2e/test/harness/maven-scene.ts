import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EcosystemScene, openEcosystemScene } from './ecosystem-scene.js';
import type { Closable } from './keep.js';
import {
  type BuiltArtifact,
  buildArtifact,
  buildResolvePlugin,
  type MavenProject,
  pomOf,
  publishArtifact,
} from './maven-artifacts.js';
import type { PreparedClient } from './prepared-client.js';
import type { Ran } from './run.js';

/** `middle` has a parent, and a BOM that says which `leaf` it needs. */
export interface MavenScene extends EcosystemScene {
  readonly leaf: BuiltArtifact;
  readonly middle: BuiltArtifact;
  /** `leaf` of the same version with another content. */
  readonly foreign: BuiltArtifact;
  /** All that a build needs. */
  readonly published: readonly BuiltArtifact[];
}

export const mavenPaths = {
  pom: '/maven/registry/example/leaf/1.0/leaf-1.0.pom',
  jar: '/maven/registry/example/leaf/1.0/leaf-1.0.jar',
} as const;

const coordinates = (artifact: string, more = '<version>1.0</version>') =>
  `<groupId>registry.example</groupId><artifactId>${artifact}</artifactId>${more}`;
const managed = (dependency: string) =>
  `<dependencyManagement><dependencies><dependency>${dependency}</dependency></dependencies></dependencyManagement>`;
const needs = (dependency: string) => `<dependencies><dependency>${dependency}</dependency></dependencies>`;

const projects: Readonly<Record<'parent' | 'bom' | 'leaf' | 'middle' | 'helper', MavenProject>> = {
  parent: { artifact: 'parent', more: '<packaging>pom</packaging><description>of a test</description>' },
  bom: { artifact: 'bom', more: `<packaging>pom</packaging>${managed(coordinates('leaf'))}` },
  leaf: { artifact: 'leaf', files: { 'leaf.txt': 'leaf\n' } },
  middle: {
    artifact: 'middle',
    more:
      `<parent>${coordinates('parent')}</parent>` +
      managed(`${coordinates('bom')}<type>pom</type><scope>import</scope>`) +
      needs(coordinates('leaf', '')),
    files: { 'middle.txt': 'middle\n' },
  },
  // Maven 3 gives it to every plugin that has none of its own.
  helper: { group: 'org.codehaus.plexus', artifact: 'plexus-utils', version: '1.1', files: { 'none.txt': '' } },
};

export async function openMavenScene(keep: <Thing extends Closable>(thing: Thing) => Thing): Promise<MavenScene> {
  const scene = await openEcosystemScene(keep, {
    host: 'maven.registry.example',
    inspectors: (origin) => ({ maven: { repositories: { local: { url: `${origin}/maven/` } } } }),
    user: (origin) => ({
      // Short runs: what the JVM's second compiler would gain is less than it costs.
      env: { MAVEN_OPTS: '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' },
      files: { '.m2/settings.xml': settings(`${origin}/maven/`) },
    }),
  });
  const { dir, upstream } = scene;
  const make = (name: string, project: MavenProject) => buildArtifact(dir.at('maven', name), project);
  const leaf = await make('leaf', projects.leaf);
  const middle = await make('middle', projects.middle);
  const others = [
    await make('parent', projects.parent),
    await make('bom', projects.bom),
    await make('helper', projects.helper),
    await buildResolvePlugin(dir.at('maven', 'plugin')),
  ];
  const published = [leaf, middle, ...others];
  for (const artifact of published) publishArtifact(upstream, '/maven', artifact);
  const foreign = await make('foreign', { ...projects.leaf, files: { 'leaf.txt': 'evil\n' } });
  return { ...scene, leaf, middle, foreign, published };
}

const settings = (url: string) =>
  `<settings><mirrors><mirror><id>test</id><mirrorOf>*</mirrorOf><url>${url}</url></mirror></mirrors></settings>\n`;

/** A project that needs `middle`. */
export async function resolveProject(client: PreparedClient): Promise<Ran> {
  const more = `<packaging>pom</packaging>${needs(coordinates('middle'))}`;
  await writeFile(join(client.dir, 'pom.xml'), pomOf({ artifact: 'app', more }));
  return maven(client, 'registry.example:resolve-maven-plugin:1.0:resolve');
}

/** Maven 3.8 has to be told its settings. */
export function maven(client: PreparedClient, ...args: string[]): Promise<Ran> {
  return client.run('mvn', '--batch-mode', `--settings=${client.env.WAYBILL_MAVEN_SETTINGS}`, ...args);
}
