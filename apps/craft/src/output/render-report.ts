import type { ShownReport } from '../commands/show-report.js';
import type { ReportSummary, SummaryRefusal, TrustRoot } from '../report/report-summary.js';
import { count, formatBytes, formatDuration } from './format-values.js';
import { safeLine } from './safe-line.js';

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
  const session = [
    `Session ${summary.session}: ${summary.policy}, ${summary.state}`,
    `Began ${summary.startTime}, took ${formatDuration(summary.durationMs)}`,
  ];
  return [...head, ...session, '', ...renderSummary(summary)].map(safeLine);
}

/** What was downloaded, how each was verified, what was refused. */
export function renderSummary(summary: ReportSummary): string[] {
  return [
    totals(summary),
    ...renderGroups(summary),
    ...renderCached(summary),
    ...renderKeys(summary),
    ...(summary.responses > 0
      ? [`${count(summary.responses, 'answer')} without an artifact (redirects, not modified, errors)`]
      : []),
    ...renderRefusals(summary.refusals),
    ...renderFailures(summary.failures),
  ];
}

function totals({ artifacts, approved, downloads, bytes }: ReportSummary): string {
  if (artifacts === 0) return 'Nothing was downloaded';
  const verdict =
    approved === artifacts ? 'all approved' : `${approved} approved, ${artifacts - approved} not approved`;
  return `${count(artifacts, 'artifact')} in ${count(downloads, 'download')}, ${formatBytes(bytes)}: ${verdict}`;
}

function renderCached({ cachedParts }: ReportSummary): string[] {
  return cachedParts.map(
    ({ part, at, origin, artifacts, record }) =>
      `Part ${part} from ${origin === 'local' ? 'the local cache' : origin}, built ${at} with ${count(artifacts, 'artifact')} (record ${record.slice(0, 16)})`,
  );
}

function renderGroups({ groups }: ReportSummary): string[] {
  const width = Math.max(0, ...groups.map((group) => group.inspector.length));
  return groups.map((group) => {
    const by = group.verifiedBy.length > 0 ? `  verified by ${rootNames(group.verifiedBy)}` : '';
    return `  ${group.inspector.padEnd(width)}  ${String(group.artifacts).padStart(5)}  ${formatBytes(group.bytes).padStart(9)}${by}`;
  });
}

/** Trust roots in few words. Several keys, as archives sign with, are counted: {@link renderKeys} names them. */
function rootNames(roots: readonly TrustRoot[]): string {
  const keys = roots.filter(({ kind }) => kind === 'key');
  const names = roots.filter((root) => root.kind !== 'key' || keys.length === 1).map(rootName);
  return [...(keys.length > 1 ? [`${keys.length} keys`] : []), ...shorten(names, 2)].join(', ');
}

function rootName({ kind, name, id }: TrustRoot): string {
  if (kind === 'key') return `key ${keyOwner(name) || id}`;
  if (kind === 'origin') return `origin ${id}`;
  if (kind === 'digest') return `pinned digest${name ? ` (${name})` : ''}`;
  return `${name}, which nothing vouches for`;
}

function shorten(names: readonly string[], most: number): string[] {
  return names.length <= most ? [...names] : [...names.slice(0, most), `${names.length - most} more`];
}

/** The keys that were only counted, each once. */
function renderKeys({ groups }: ReportSummary): string[] {
  const counted = groups.map(({ verifiedBy }) => verifiedBy.filter(({ kind }) => kind === 'key'));
  const keys = new Map(
    counted.filter((found) => found.length > 1).flatMap((found) => found.map((key) => [key.id, key])),
  );
  if (keys.size === 0) return [];
  return ['Keys:', ...[...keys.values()].map(({ id, name }) => `  ${id.slice(-16)}  ${keyOwner(name)}`)];
}

/** Without the address. */
function keyOwner(name: string): string {
  return name.replace(/ *<[^>]*>/g, '').trim();
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
    lines.push(`      ${reasonOf(refusal)}`);
    if (refusal.hint) lines.push(`      → ${refusal.hint}`);
  }
  if (refusals.length > mostRefusals)
    lines.push(`  … and ${refusals.length - mostRefusals} more, all of them in the report`);
  return lines;
}

/** The reason with the inspector that gave it, unless the reason begins with its name already. */
function reasonOf({ inspector, reason }: SummaryRefusal): string {
  return inspector === undefined || reason.startsWith(`${inspector}:`) ? reason : `${inspector}: ${reason}`;
}
