import type { CraftRefusal, ReportArtifact, ReportVouch, SessionReport } from '@waybill/contracts';

/** Artifacts that one inspector vouched for, or that nobody did. */
export interface SummaryGroup {
  /** Id of the approving inspector, or `not approved`. */
  readonly inspector: string;
  readonly artifacts: number;
  readonly bytes: number;
  /** Trust roots in which their chains end, most frequent first. */
  readonly verifiedBy: readonly string[];
}

/** A refusal, with how often it happened. */
export interface SummaryRefusal {
  readonly part: string | undefined;
  readonly step: string | undefined;
  readonly method: string;
  readonly url: string;
  readonly reason: string;
  readonly inspector: string | undefined;
  readonly hint: string | undefined;
  readonly delivered: boolean;
  readonly count: number;
}

/** What a report says, in few words. */
export interface ReportSummary {
  readonly session: string;
  readonly policy: string;
  readonly state: string;
  readonly startTime: string;
  readonly durationMs: number;
  readonly artifacts: number;
  readonly approved: number;
  readonly downloads: number;
  readonly bytes: number;
  readonly groups: readonly SummaryGroup[];
  readonly refusals: readonly SummaryRefusal[];
  readonly failures: readonly SummaryRefusal[];
  readonly responses: number;
}

type Refusals = { readonly refusals: readonly CraftRefusal[]; readonly failures: readonly CraftRefusal[] };

/** Sums a report up. */
export function summarise(report: Omit<SessionReport, 'refusals' | 'failures'> & Refusals): ReportSummary {
  const { artifacts } = report;
  return {
    session: report['session-id'],
    policy: report.policy,
    state: report.state,
    startTime: report['start-time'],
    durationMs: Math.max(0, Date.parse(report['end-time']) - Date.parse(report['start-time'])) || 0,
    artifacts: artifacts.length,
    approved: artifacts.filter((artifact) => artifact.result === 'Approved').length,
    downloads: artifacts.reduce((sum, artifact) => sum + artifact.downloads.length, 0),
    bytes: artifacts.reduce((sum, artifact) => sum + artifact.metadata.size * artifact.downloads.length, 0),
    groups: groupsOf(artifacts),
    refusals: combine(report.refusals),
    failures: combine(report.failures),
    responses: report.responses.length,
  };
}

const notApproved = 'not approved';

function groupsOf(artifacts: readonly ReportArtifact[]): SummaryGroup[] {
  const groups = new Map<string, ReportArtifact[]>();
  for (const artifact of artifacts) {
    const id = approver(artifact);
    groups.set(id, [...(groups.get(id) ?? []), artifact]);
  }
  return [...groups]
    .sort(([a], [b]) => Number(a === notApproved) - Number(b === notApproved) || (a < b ? -1 : 1))
    .map(([inspector, members]) => ({
      inspector,
      artifacts: members.length,
      bytes: members.reduce((sum, artifact) => sum + artifact.metadata.size, 0),
      verifiedBy: inspector === notApproved ? [] : byFrequency(members.flatMap(trustRoots)),
    }));
}

function approver(artifact: ReportArtifact): string {
  if (artifact.result !== 'Approved') return notApproved;
  const found = Object.entries(artifact['response-inspection']).find(
    ([, inspection]) => inspection.opinion === 'Approved',
  );
  return found?.[0] ?? notApproved;
}

/** The last link of each chain; a chain that ends in an artifact has no trust root and says so. */
function trustRoots(artifact: ReportArtifact): string[] {
  const roots = artifact['vouched-by'].map((chain) => chain.at(-1)).filter((link) => link !== undefined);
  return [...new Set(roots.map(rootName))];
}

function rootName(link: ReportVouch): string {
  if (link.kind === 'key') return `key ${link.id}${link.name && link.name !== link.id ? ` (${link.name})` : ''}`;
  if (link.kind === 'origin') return `origin ${link.id}`;
  if (link.kind === 'digest') return `pinned digest ${link.name || link.id}`;
  return `${link.name}, which nothing vouches for`;
}

function byFrequency(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([name]) => name);
}

function combine(refusals: readonly CraftRefusal[]): SummaryRefusal[] {
  const combined = new Map<string, SummaryRefusal>();
  for (const refusal of refusals) {
    const { part, step, method, url, reason, inspector, hint, delivered } = refusal;
    const key = JSON.stringify([part, step, method, url, reason, inspector, delivered]);
    const count = (combined.get(key)?.count ?? 0) + 1;
    combined.set(key, { part, step, method, url, reason, inspector, hint, delivered, count });
  }
  return [...combined.values()];
}
