import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { PartConfig } from '@waybill/contracts';
import type { PartContext } from '../lifecycle/context.js';
import { pluginOf } from '../plugins/registry.js';
import { sourceTypeOf } from '../sources/pull-source.js';
import type { BuildTools } from './build-tools.js';
import { canonicalText, type KeyDocument, keyFormat } from './key-document.js';
import type { SourceIdentity } from './source-identity.js';

/**
 * Keys of a part that say nothing on what its build installs: later steps, what the order of builds follows from, and where
 * the source lies, for which its digest stands.
 */
const left = new Set([
  ...['plugin', 'after', 'stage', 'prime', 'override-stage', 'override-prime', 'disable-parallel', 'build-packages'],
  ...['source', 'source-type', 'source-checksum', 'source-branch', 'source-tag', 'source-commit', 'source-depth'],
]);

/** Variables of the caller that builds let into their results. */
const counting = /^(LANG|LANGUAGE|LC_[A-Z]+|TZ|SOURCE_DATE_EPOCH)$/;

/** What a document is made of beside the part itself. */
export interface DocumentFacts {
  readonly identity: SourceIdentity;
  /** Key documents' keys of the parts that this one comes after. */
  readonly dependencyKeys: ReadonlyMap<string, string>;
  readonly tools: BuildTools;
}

/** Writes down what decides the result of a part's build. */
export async function partDocument(context: PartContext, facts: DocumentFacts): Promise<KeyDocument> {
  const { part, project, item, name } = context;
  return {
    format: keyFormat,
    project: {
      name: project.name,
      ...(project.version === undefined ? {} : { version: project.version }),
      platform: item.platform,
    },
    target: { 'build-on': item.buildOn, 'build-for': item.buildFor },
    part: { name, definition: definitionOf(part) },
    plugin: { name: part.plugin, version: pluginVersion(part) },
    source: facts.identity.source,
    'stage-packages': facts.identity.stagePackages,
    'build-packages': await facts.tools.packages(part['build-packages']),
    dependencies: [...new Set(part.after)].sort().map((other) => dependency(context, other, facts)),
    environment: {
      kind: context.environment.kind,
      base: await baseOf(context),
      umask: process.umask().toString(8).padStart(4, '0'),
      variables: Object.fromEntries(Object.entries(context.baseEnv).filter(([key]) => counting.test(key))),
      tools: await facts.tools.tools(part.plugin),
    },
  };
}

/** What a part's build sees of another one is what that one stages. */
function dependency(context: PartContext, name: string, facts: DocumentFacts): KeyDocument['dependencies'][number] {
  const part = context.project.parts[name];
  const override = part?.['override-stage'];
  return {
    name,
    key: facts.dependencyKeys.get(name) as string,
    stage: [...(part?.stage ?? [])],
    ...(override === undefined ? {} : { 'override-stage': override }),
  };
}

/** The part as it was written, defaults left out. */
function definitionOf(part: PartConfig): KeyDocument['part']['definition'] {
  const kept = Object.entries(part).filter(([key, value]) => !left.has(key) && !isEmpty(value));
  const rules = Object.entries(part.organize);
  // The order of these rules decides what comes where, and a map in a document has none.
  return {
    ...(Object.fromEntries(kept) as KeyDocument['part']['definition']),
    ...(rules.length > 0 ? { organize: rules } : {}),
  };
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || value === false || (typeof value === 'object' && Object.keys(value ?? {}).length === 0);
}

/** Digest of what the plugin does for this part: a craft that does it otherwise has other keys. */
function pluginVersion(part: PartConfig): string {
  const plugin = pluginOf(part);
  const input = { part, run: '/run', isGitSource: sourceTypeOf(part) === 'git' };
  const does = [plugin.commands(input), plugin.environment(input), plugin.files?.(input) ?? {}];
  return createHash('sha256').update(canonicalText(does)).digest('hex');
}

async function baseOf({ project }: PartContext): Promise<Record<string, string>> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const system = text.split('\n').flatMap((line) => {
    const [, name, value] = /^(ID|VERSION_ID)="?([^"]*)"?$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name === 'ID' ? 'system' : 'version', value] as const];
  });
  return {
    ...Object.fromEntries(system),
    ...(project.base === undefined ? {} : { base: project.base }),
    ...(project['build-base'] === undefined ? {} : { 'build-base': project['build-base'] }),
  };
}
