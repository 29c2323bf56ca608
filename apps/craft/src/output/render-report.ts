import { stripControl } from '@waybill/contracts';
import type { ShownReport } from '../commands/show-report.js';
import type { ReportSummary, SummaryRefusal, TrustRoot } from '../report/report-summary.js';
import { count, formatBytes, formatDuration } from './format-values.js';

const mostRefusals = 50;

/** `craft report` on a terminal. */
export function renderReport({ summary, build }: ShownReport): string[] {
  const head = build
    ? [
        `${build.component}: ${build.result}${build.artifact ? `, ${build.artifact}` : ''}`,
        ...(build.error ? [`  ${build.error}`] : []),
        `Build environment: ${build.environment}${build.bypassControlled ? ', nothing could go around the session' : '; downloads around the session were not prevented'}`,
      ]
    : [];
  const session = `Session ${summary.session}: ${summary.policy}, ${summary.state}, ${formatDuration(summary.durationMs)}, began ${summary.startTime}`;
  return [...head, session, '', ...renderSummary(summary)].map(stripControl);
}

/** What was downloaded, how each was verified, what was refused. */
export function renderSummary(summary: ReportSummary): string[] {
  const rejected = summary.artifacts - summary.approved;
  const total = `${count(summary.artifacts, 'artifact')} in ${count(summary.downloads, 'download')}, ${formatBytes(summary.bytes)}: ${summary.approved} approved${rejected > 0 ? `, ${rejected} not approved` : ''}`;
  return [
    total,
    ...renderGroups(summary),
    ...(summary.responses > 0
      ? [`${count(summary.responses, 'answer')} without an artifact (redirects, not modified, errors)`]
      : []),
    ...renderRefusals(summary.refusals),
    ...renderFailures(summary.failures),
  ];
}

function renderGroups({ groups }: ReportSummary): string[] {
  const width = Math.max(0, ...groups.map((group) => group.inspector.length));
  return groups.map((group) => {
    const by = group.verifiedBy.length > 0 ? `  verified by ${shorten(group.verifiedBy.map(rootName), 2)}` : '';
    return `  ${group.inspector.padEnd(width)}  ${String(group.artifacts).padStart(5)}  ${formatBytes(group.bytes).padStart(9)}${by}`;
  });
}

/** A trust root in few words; keys by their owner's name without address, because fingerprints are for programs. */
function rootName({ kind, name, id }: TrustRoot): string {
  if (kind === 'key') return `key ${name.replace(/ *<[^>]*>/g, '').trim() || id}`;
  if (kind === 'origin') return `origin ${id}`;
  if (kind === 'digest') return `pinned digest${name ? ` (${name})` : ''}`;
  return `${name}, which nothing vouches for`;
}

function shorten(names: readonly string[], most: number): string {
  return names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}

/** The list of refusals, by part and step. */
export function renderRefusals(refusals: readonly SummaryRefusal[]): string[] {
  if (refusals.length === 0) return [];
  const stopped = refusals.filter((refusal) => !refusal.delivered);
  return [
    ...list(`Refused (${stopped.length}):`, stopped),
    ...list(
      `Delivered, but a strict session would have refused (${refusals.length - stopped.length}):`,
      refusals.filter((refusal) => refusal.delivered),
    ),
  ];
}

function renderFailures(failures: readonly SummaryRefusal[]): string[] {
  return list(`Failed underway (${failures.length}):`, failures);
}

function list(title: string, refusals: readonly SummaryRefusal[]): string[] {
  if (refusals.length === 0) return [];
  const lines = ['', title];
  let place = '';
  for (const refusal of refusals.slice(0, mostRefusals)) {
    const here = refusal.part ? `${refusal.step} of part ${refusal.part}` : 'outside of any step';
    if (here !== place) lines.push(`  ${here}`);
    place = here;
    lines.push(`    ${refusal.method} ${refusal.url}${refusal.count > 1 ? ` (${refusal.count} times)` : ''}`);
    lines.push(`      ${refusal.inspector ? `${refusal.inspector}: ` : ''}${refusal.reason}`);
    if (refusal.hint) lines.push(`      → ${refusal.hint}`);
  }
  if (refusals.length > mostRefusals)
    lines.push(`  … and ${refusals.length - mostRefusals} more, all of them in the report`);
  return lines;
}
