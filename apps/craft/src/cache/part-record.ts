import { createHash } from 'node:crypto';
import {
  type CraftRecord,
  canonicalJson,
  craftRecordSchema,
  type ReportArtifact,
  type SessionReport,
  toRfc3339,
} from '@waybill/contracts';
import { intervalAt, type StepInterval } from '../lifecycle/timeline.js';

/** What a record is made of beside the report. */
export interface RecordFacts {
  readonly project: string;
  readonly part: string;
  readonly platform: string;
  readonly key: string;
  readonly environment: 'bubblewrap' | 'host';
  readonly intervals: readonly StepInterval[];
}

/** The excerpt of a session report that belongs to one part: what was downloaded, or refused, while its pull and build ran. */
export function createRecord(report: SessionReport, facts: RecordFacts): CraftRecord {
  const { part, intervals } = facts;
  const own = intervals.filter((step) => step.part === part && (step.step === 'pull' || step.step === 'build'));
  const isOwn = (time: string) => {
    const interval = intervalAt(intervals, new Date(time));
    return interval !== undefined && own.includes(interval);
  };
  const ended = own.reduce((last, { end }) => Math.max(last, end.getTime()), 0);
  return {
    format: 1,
    project: facts.project,
    part,
    platform: facts.platform,
    key: facts.key,
    at: toRfc3339(new Date(ended)),
    generator: report.generator,
    'session-id': report['session-id'],
    policy: report.policy,
    'build-environment': { kind: facts.environment, 'bypass-controlled': facts.environment === 'bubblewrap' },
    steps: own.map(({ step, start, end }) => ({
      part,
      step,
      'start-time': toRfc3339(start),
      'end-time': toRfc3339(end),
    })),
    artifacts: excerpt(report.artifacts, isOwn),
    refusals: report.refusals.filter((refusal) => isOwn(refusal.time)),
  };
}

/** Artifacts of the part with its own downloads only, and those that vouch for them, wherever they were downloaded. */
function excerpt(artifacts: readonly ReportArtifact[], isOwn: (time: string) => boolean): ReportArtifact[] {
  const byDigest = new Map(artifacts.map((artifact) => [artifact.metadata.sha256, artifact]));
  const taken = new Map<string, ReportArtifact>();
  for (const artifact of artifacts) {
    const downloads = artifact.downloads.filter((download) => isOwn(download['start-time']));
    if (downloads.length > 0) taken.set(artifact.metadata.sha256, { ...artifact, downloads });
  }
  const queue = [...taken.values()];
  for (let next = queue.pop(); next; next = queue.pop()) {
    for (const link of next['vouched-by'].flat()) {
      const other = link.kind === 'artifact' ? byDigest.get(link.id) : undefined;
      if (!other || taken.has(link.id)) continue;
      taken.set(link.id, other);
      queue.push(other);
    }
  }
  return artifacts.flatMap((artifact) => taken.get(artifact.metadata.sha256) ?? []);
}

/** Bytes of a record. */
export function recordBytes(record: CraftRecord): Buffer {
  return Buffer.from(canonicalJson(record));
}

/** sha256 of a record, in hex. */
export function recordDigest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Reads a record of somebody else; `undefined` when it is none, or of another build. */
export function parseRecord(
  bytes: Uint8Array,
  wanted: Pick<CraftRecord, 'project' | 'part' | 'platform' | 'key' | 'policy'>,
): CraftRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = craftRecordSchema.safeParse(value);
  if (!parsed.success) return undefined;
  const fields = ['project', 'part', 'platform', 'key', 'policy'] as const;
  return fields.every((field) => parsed.data[field] === wanted[field]) ? parsed.data : undefined;
}
