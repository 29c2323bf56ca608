import type { CraftRefusal, CraftReport, ReportArtifact, ReportVouch, SessionReport } from '@waybill/contracts';

/** Artifacts that one inspector vouched for, or that nobody did. */
export interface SummaryGroup {
  /** Id of the approving inspector, or `not approved`. */
  readonly inspector: string;
  readonly artifacts: number;
  readonly bytes: number;
  /** Trust roots in which their chains end, most frequent first. */
  readonly verifiedBy: readonly TrustRoot[];
}

/** What a chain of vouches ends in. */
export interface TrustRoot {
  /** `artifact` when the chain leads to no trust root. */
  readonly kind: ReportVouch['kind'];
  readonly name: string;
  /** Fingerprint of the key, configuration path of the origin, pinned digest. */
  readonly id: string;
  /** Artifacts of the group that it verifies. */
  readonly artifacts: number;
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
  /** Parts that came from a cache, with what their builds had downloaded. */
  readonly cachedParts: readonly CachedPartSummary[];
}

/** A part that came from a cache. */
export interface CachedPartSummary {
  readonly part: string;
  /** When it was built. */
  readonly at: string;
  readonly origin: string;
  /** sha256 of the record of its build. */
  readonly record: string;
  readonly policy: string;
  readonly artifacts: number;
}

type Refusals = { readonly refusals: readonly CraftRefusal[]; readonly failures: readonly CraftRefusal[] };

/** Sums a report up. */
export function summarise(
  report: Omit<SessionReport, 'refusals' | 'failures'> & Refusals & Pick<CraftReport, 'cached-parts'>,
): ReportSummary {
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
    cachedParts: (report['cached-parts'] ?? []).map(({ part, origin, recorded, record }) => ({
      part,
      at: recorded.at,
      origin,
      record: recorded.record,
      policy: recorded.policy,
      artifacts: record.artifacts.length,
    })),
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
      verifiedBy: inspector === notApproved ? [] : trustRootsOf(members),
    }));
}

function approver(artifact: ReportArtifact): string {
  if (artifact.result !== 'Approved') return notApproved;
  const found = Object.entries(artifact['response-inspection']).find(
    ([, inspection]) => inspection.opinion === 'Approved',
  );
  return found?.[0] ?? notApproved;
}

/** Last links of the chains, each counted once per artifact. */
function trustRootsOf(artifacts: readonly ReportArtifact[]): TrustRoot[] {
  const roots = new Map<string, TrustRoot>();
  for (const artifact of artifacts) {
    const own = new Map(
      artifact['vouched-by'].flatMap((chain) => chain.slice(-1)).map((link) => [`${link.kind} ${link.id}`, link]),
    );
    for (const [key, { kind, name, id }] of own)
      roots.set(key, { kind, name, id, artifacts: (roots.get(key)?.artifacts ?? 0) + 1 });
  }
  return [...roots].sort(([a, x], [b, y]) => y.artifacts - x.artifacts || (a < b ? -1 : 1)).map(([, root]) => root);
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
