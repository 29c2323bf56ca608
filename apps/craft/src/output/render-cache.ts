import type { ExplainedKey } from '../commands/cache-explain.js';
import type { ListedArtifact } from '../commands/cache-list.js';
import type { ShownArtifact, ShownKey } from '../commands/cache-show.js';
import type { Transfer } from '../commands/cache-transfer.js';
import { count, formatBytes } from './format-values.js';
import { safeLine } from './safe-line.js';

const shown = (key: string) => key.slice(0, 16);
const unknownKey = 'not known before it is pulled';

/** `craft cache show`. */
export function renderKeys(keys: readonly ShownKey[]): string[] {
  return keys
    .flatMap(({ platform, part, key, weakKey, artifact }) => [
      `${part} (${platform})`,
      `  key   ${key ?? unknownKey}`,
      ...(weakKey === undefined ? [] : [`  weak  ${weakKey}`]),
      ...(key === undefined ? [] : [`  local ${artifact ? describe(artifact) : 'nothing'}`]),
    ])
    .map(safeLine);
}

function describe({ session, createdAt, bytes, files, origin, record }: ShownArtifact): string {
  return [
    `${count(files, 'file')}, ${formatBytes(bytes)}`,
    `built ${createdAt} ${session === 'none' ? 'without a session' : `in a ${session} session`}`,
    ...(record === undefined ? [] : [`record ${shown(record)}`]),
    ...(origin === 'local' ? [] : [`from ${origin}`]),
  ].join(', ');
}

/** `craft cache list` and `rm`. */
export function renderList(artifacts: readonly ListedArtifact[], none: string): string[] {
  if (artifacts.length === 0) return [none];
  const width = Math.max(...artifacts.map(({ part }) => part.length));
  return artifacts
    .map(
      (artifact) =>
        `${shown(artifact.key)}  ${artifact.part.padEnd(width)}  ${artifact.platform}  ${describe(artifact)}`,
    )
    .map(safeLine);
}

const outcomes: Readonly<Record<Transfer['outcome'], string>> = {
  here: 'in the local cache',
  missing: 'nobody has it',
  unknown: unknownKey,
  pushed: 'pushed',
  exists: 'was there before',
  failed: 'failed',
};

/** `craft cache pull` and `push`. */
export function renderTransfers(parts: readonly Transfer[]): string[] {
  const width = Math.max(0, ...parts.map(({ part }) => part.length));
  return parts
    .map(({ part, outcome, remote, artifact }) => {
      const where = remote ?? (artifact && artifact.origin !== 'local' ? artifact.origin : undefined);
      return `${part.padEnd(width)}  ${outcomes[outcome]}${where ? `  ${where}` : ''}`;
    })
    .map(safeLine);
}

/** `craft cache explain`. */
export function renderExplained(keys: readonly ExplainedKey[]): string[] {
  return keys.flatMap(explained).map(safeLine);
}

function explained({ platform, part, key, before }: ExplainedKey): string[] {
  const head = `${part} (${platform}): ${key ?? unknownKey}`;
  if (key === undefined) return [head];
  if (!before) return [head, '  there was no build before to compare with'];
  const from = before.from === 'last build' ? 'the last build here' : 'a build in the cache';
  if (before.differences.length === 0) return [head, `  the same as ${from}`];
  return [
    head,
    `  differs from ${from}, ${before.key}, in`,
    ...before.differences.flatMap(({ field, before: old, after }) => [
      `    ${field}`,
      `      before ${text(old)}`,
      `      now    ${text(after)}`,
    ]),
  ];
}

function text(value: unknown): string {
  if (value === undefined) return '(nothing)';
  return typeof value === 'string' ? value.trimEnd().replaceAll('\n', '⏎') : JSON.stringify(value);
}
