import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pluginOf } from '../plugins/registry.js';
import { localSourceDigest } from '../sources/local.js';
import { sourceTypeOf } from '../sources/pull-source.js';
import type { PartContext } from './context.js';
import { digestOf, type Step } from './state.js';

const inputKeys: Readonly<Record<Step, readonly string[]>> = {
  pull: [
    'plugin',
    'source',
    'source-type',
    'source-checksum',
    'source-branch',
    'source-tag',
    'source-commit',
    'source-depth',
    'source-submodules',
    'stage-packages',
    'override-pull',
  ],
  build: ['source-subdir', 'after', 'build-environment', 'build-packages', 'override-build', 'organize'],
  stage: ['stage', 'override-stage'],
  prime: ['prime', 'override-prime'],
};

/**
 * Digest of what a step depends on beside the steps before it: the part's keys that the step reads, what its scripts can
 * see of the project, and the files of a local source.
 */
export async function inputDigest(context: PartContext, step: Step): Promise<string> {
  const { part, project, item } = context;
  const values = part as Record<string, unknown>;
  const pluginKeys = step === 'build' ? pluginOf(part).keys : [];
  const seen = step === 'build' || values[`override-${step}`] !== undefined;
  return digestOf({
    format: 1,
    keys: Object.fromEntries([...inputKeys[step], ...pluginKeys].map((key) => [key, values[key]])),
    target: [item.buildOn, item.buildFor],
    project: seen ? { name: project.name, version: project.version, platform: item.platform } : undefined,
    source: step === 'pull' ? await sourceDigest(context) : undefined,
    shallow: step === 'pull' && sourceTypeOf(part) === 'git' ? context.inSession : undefined,
  });
}

async function sourceDigest(context: PartContext): Promise<string | undefined> {
  const { source } = context.part;
  const type = sourceTypeOf(context.part);
  if (source === undefined || type === 'git') return undefined;
  if (type === 'local') return localSourceDigest(context);
  const info = await stat(resolve(context.layout.project, source), { bigint: true }).catch(() => undefined);
  return info && `${info.size}:${info.mtimeNs}`;
}
