import { relative } from 'node:path';
import type { PackResult } from '../commands/pack.js';
import type { PackedItem } from '../commands/pack-item.js';
import { describeError } from './describe-error.js';
import { formatBytes } from './format-values.js';
import { renderSummary } from './render-report.js';
import { safeLine } from './safe-line.js';

/** `craft pack` on a terminal: what was made and what it is made of. */
export function renderPack(result: PackResult, cwd: string): string[] {
  return result.items.flatMap((item) => renderItem(item, cwd)).map(safeLine);
}

function renderItem(item: PackedItem, cwd: string): string[] {
  const lines: string[] = [];
  if (item.summary) lines.push(...renderSummary(item.summary), '');
  if (item.artifact) {
    lines.push(`Packed ${shown(item.artifact.path, cwd)} (${formatBytes(item.artifact.size)})`);
    lines.push(`  sha256 ${item.artifact.sha256}`);
  }
  if (item.report) lines.push(`Report ${shown(item.report, cwd)}`);
  return lines;
}

function shown(path: string, cwd: string): string {
  const near = relative(cwd, path);
  return near === '' || near.startsWith('..') ? path : near;
}

/** `craft pack --format json`. */
export function packToJson(result: PackResult): unknown {
  return {
    items: result.items.map(({ platform, result: outcome, artifact, report, environment, summary, errors }) => ({
      platform,
      result: outcome,
      artifact,
      report,
      'build-environment': {
        kind: environment,
        'bypass-controlled': environment === 'bubblewrap' && summary !== undefined,
      },
      session: summary && summaryToJson(summary),
      errors: errors.map(describeError),
    })),
  };
}

/** A report's summary for programs. */
export function summaryToJson(summary: NonNullable<PackedItem['summary']>): unknown {
  return {
    id: summary.session,
    policy: summary.policy,
    state: summary.state,
    'start-time': summary.startTime,
    'duration-ms': summary.durationMs,
    artifacts: summary.artifacts,
    approved: summary.approved,
    downloads: summary.downloads,
    bytes: summary.bytes,
    responses: summary.responses,
    'approved-by': summary.groups.map((group) => ({
      inspector: group.inspector,
      artifacts: group.artifacts,
      bytes: group.bytes,
      'verified-by': group.verifiedBy,
    })),
    refusals: summary.refusals,
    failures: summary.failures,
    'cached-parts': summary.cachedParts,
  };
}
