import {
  type Clock,
  type CraftBuild,
  type CraftCachedPart,
  type CraftDependency,
  type CraftRefusal,
  type CraftReport,
  type Project,
  type ReportArtifact,
  type ReportRefusal,
  type SessionReport,
  sessionReportSchema,
  toRfc3339,
} from '@waybill/contracts';
import { CraftError } from '../errors.js';
import type { ProjectVariable } from '../lifecycle/context.js';
import { intervalAt, type StepInterval } from '../lifecycle/timeline.js';
import type { Artifact } from '../pack/pack-artifact.js';
import type { BuildItem } from '../project/plan.js';

/** What craft adds to a session report. */
export interface ReportFacts {
  readonly project: Project;
  readonly item: BuildItem;
  readonly variables: ReadonlyMap<ProjectVariable, string>;
  readonly artifact: Artifact | undefined;
  readonly environment: 'bubblewrap' | 'host';
  readonly intervals: readonly StepInterval[];
  /** Parts that a cache brought instead of a build. */
  readonly cachedParts?: readonly CraftCachedPart[] | undefined;
  readonly result: CraftBuild['result'];
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly clock: Clock;
}

/**
 * Checks a report of the service. Keys that we do not know stay where the report is written.
 * @throws CraftError CRAFT_REPORT_INVALID
 */
export function parseSessionReport(raw: Record<string, unknown>): SessionReport {
  const result = sessionReportSchema.safeParse(raw);
  if (result.success) return result.data;
  throw new CraftError('CRAFT_REPORT_INVALID', 'the session report does not have the form it should have', {
    details: result.error.issues.slice(0, 10).map((issue) => `${issue.path.join('.')}: ${issue.message}`),
  });
}

/** The session report as it came, with craft's keys beside it. */
export function createCraftReport(
  raw: Record<string, unknown>,
  report: SessionReport,
  facts: ReportFacts,
): CraftReport {
  const { project, item, variables, artifact, intervals, cachedParts = [] } = facts;
  const version = variables.get('version');
  const description = variables.get('summary') ?? variables.get('description');
  return {
    ...(raw as SessionReport),
    refusals: report.refusals.map((refusal) => placed(refusal, intervals)),
    failures: report.failures.map((failure) => placed(failure, intervals)),
    'component-name': project.name,
    ...(version === undefined ? {} : { 'component-version': version }),
    ...(description === undefined ? {} : { 'component-description': description }),
    ...(artifact ? { 'component-id': { hashes: { sha1: artifact.sha1, sha256: artifact.sha256 } } } : {}),
    architecture: item.buildFor,
    ...(project.license === undefined ? {} : { license: project.license }),
    'metadata-generator': 'Waybill craft',
    'creation-timestamp': toRfc3339(facts.clock.now()),
    'build-environment': { kind: facts.environment, 'bypass-controlled': facts.environment === 'bubblewrap' },
    build: {
      result: facts.result,
      platform: item.platform,
      ...(artifact ? { artifact: artifact.file, size: artifact.size } : {}),
      ...(facts.error ? { error: facts.error } : {}),
      steps: intervals.map(({ part, step, start, end }) => ({
        part,
        step,
        'start-time': toRfc3339(start),
        'end-time': toRfc3339(end),
      })),
    },
    dependencies: [...report.artifacts.map(toDependency), ...recordedDependencies(report, cachedParts)],
    ...(cachedParts.length > 0 ? { 'cached-parts': [...cachedParts] } : {}),
  };
}

/** Text of a report file. */
export function reportText(report: CraftReport): string {
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

function placed(refusal: ReportRefusal, intervals: readonly StepInterval[]): CraftRefusal {
  const interval = intervalAt(intervals, new Date(refusal.time));
  return interval ? { ...refusal, part: interval.part, step: interval.step } : refusal;
}

/** What earlier builds downloaded for parts that this one did not build; each once, and not what this session has as well. */
function recordedDependencies(report: SessionReport, cachedParts: readonly CraftCachedPart[]): CraftDependency[] {
  const listed = new Set(report.artifacts.map(({ metadata }) => metadata.sha256));
  return cachedParts.flatMap(({ record, recorded }) => {
    const fresh = record.artifacts.filter(({ metadata }) => !listed.has(metadata.sha256));
    for (const { metadata } of fresh) listed.add(metadata.sha256);
    return fresh.map((artifact) => ({ ...toDependency(artifact), recorded }));
  });
}

function toDependency({ metadata, downloads }: ReportArtifact): CraftDependency {
  return {
    'component-name': metadata.name,
    'component-version': metadata.version,
    'component-description': metadata.description,
    'component-id': { hashes: { sha1: metadata.sha1, sha256: metadata.sha256 } },
    architecture: metadata.architecture ?? '',
    type: metadata.type,
    'component-author': metadata.author,
    'component-vendor': metadata.vendor,
    size: metadata.size,
    url: [...new Set(downloads.map((download) => download.url))],
  };
}
