import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileUpstream } from './file-upstream.js';
import { run } from './run.js';

/** Coordinates, and what the project's pom says beside them. */
export interface MavenProject {
  readonly artifact: string;
  readonly version?: string;
  /** XML below `<project>`. */
  readonly more?: string;
  /** Files of the jar by path; none: there is only a pom. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Default `registry.example`. */
  readonly group?: string;
}

export interface BuiltArtifact {
  /** Path below the repository without an extension. */
  readonly path: string;
  readonly pom: Buffer;
  readonly jar: Buffer | undefined;
}

export function pomOf({ group = 'registry.example', artifact, version = '1.0', more = '' }: MavenProject): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>${group}</groupId>
  <artifactId>${artifact}</artifactId>
  <version>${version}</version>
  <licenses><license><name>MIT</name></license></licenses>
  ${more}
</project>
`;
}

/** A jar by the JDK's own tool, with its pom in it as Maven puts it there. */
export async function buildArtifact(dir: string, project: MavenProject): Promise<BuiltArtifact> {
  const { group = 'registry.example', artifact, version = '1.0', files } = project;
  const pom = pomOf(project);
  const path = `${group.replaceAll('.', '/')}/${artifact}/${version}/${artifact}-${version}`;
  if (!files) return { path, pom: Buffer.from(pom), jar: undefined };
  const root = join(dir, 'content');
  for (const [name, content] of Object.entries({ ...files, [`META-INF/maven/${group}/${artifact}/pom.xml`]: pom })) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  const jar = join(dir, 'made.jar');
  await must('jar', ['--create', '--file', jar, '-C', root, '.']);
  return { path, pom: Buffer.from(pom), jar: await readFile(jar) };
}

/**
 * A plugin whose only goal asks Maven for the project's dependencies. Maven's own plugins would do, with a hundred jars of their
 * own from some registry; resolution, which is what these tests are about, is Maven's in both cases.
 */
export async function buildResolvePlugin(dir: string): Promise<BuiltArtifact> {
  const source = join(dir, 'ResolveMojo.java');
  await mkdir(dir, { recursive: true });
  await writeFile(
    source,
    'public class ResolveMojo extends org.apache.maven.plugin.AbstractMojo {\n  public void execute() { getLog().info("resolved"); }\n}\n',
  );
  await must('javac', ['-cp', await pluginApi(), '-d', dir, source]);
  return buildArtifact(dir, {
    artifact: 'resolve-maven-plugin',
    more: '<packaging>maven-plugin</packaging>',
    files: {
      'ResolveMojo.class': await readFile(join(dir, 'ResolveMojo.class')),
      'META-INF/maven/plugin.xml': descriptor,
    },
  });
}

const descriptor = `<?xml version="1.0" encoding="UTF-8"?>
<plugin>
  <name>resolve</name>
  <groupId>registry.example</groupId>
  <artifactId>resolve-maven-plugin</artifactId>
  <version>1.0</version>
  <goalPrefix>resolve</goalPrefix>
  <mojos>
    <mojo>
      <goal>resolve</goal>
      <requiresDependencyResolution>compile</requiresDependencyResolution>
      <requiresProject>true</requiresProject>
      <implementation>ResolveMojo</implementation>
      <language>java</language>
      <instantiationStrategy>per-lookup</instantiationStrategy>
      <executionStrategy>once-per-session</executionStrategy>
      <threadSafe>true</threadSafe>
      <parameters/>
    </mojo>
  </mojos>
</plugin>
`;

/** Of the installed Maven: it says itself where it lies. */
async function pluginApi(): Promise<string> {
  const told = await must('mvn', ['--batch-mode', '--version']);
  const home = /Maven home: (\S+)/.exec(told)?.[1] ?? '';
  const found = await must('find', ['-L', join(home, 'lib'), '-name', 'maven-plugin-api-*.jar']);
  const [jar = ''] = found.split('\n');
  if (jar === '') throw new Error(`no maven-plugin-api below ${home}`);
  return jar;
}

async function must(command: string, args: readonly string[]): Promise<string> {
  const ran = await run(command, args).catch((error: Error) => ({ code: -1, stdout: '', stderr: error.message }));
  if (ran.code !== 0) {
    throw new Error(
      `${command}: ${ran.stderr}\ntooling/ci/packages.sh installs a JDK and Maven where they are missing`,
    );
  }
  return ran.stdout;
}

/** Puts an artifact into a repository with the checksums that Maven's deploy writes, and those that most add. */
export function publishArtifact(upstream: FileUpstream, repository: string, { path, pom, jar }: BuiltArtifact): void {
  for (const [extension, bytes] of Object.entries({ pom, jar })) {
    if (bytes)
      for (const [name, content] of withChecksums(`${repository}/${path}.${extension}`, bytes))
        upstream.put(name, content);
  }
}

/** A file and what lies beside it. */
export function withChecksums(path: string, bytes: Buffer): (readonly [string, Buffer])[] {
  const sum = (algorithm: string) => Buffer.from(createHash(algorithm).update(bytes).digest('hex'));
  return [[path, bytes], ...['sha1', 'sha256', 'sha512'].map((name) => [`${path}.${name}`, sum(name)] as const)];
}
