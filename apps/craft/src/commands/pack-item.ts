import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, craftReportSchema, isWaybillError, systemClock } from '@waybill/contracts';
import { withBuild } from '../build/open-build.js';
import type { ConfiguredCache } from '../cache/open-build-cache.js';
import { type BuildCache, openPartCache } from '../cache/part-cache.js';
import { CraftError } from '../errors.js';
import { writeFileAtomic } from '../files/atomic-write.js';
import type { LifecycleContext } from '../lifecycle/context.js';
import { runLifecycle } from '../lifecycle/run-lifecycle.js';
import { artifactStem } from '../pack/artifact-name.js';
import { type Artifact, packArtifact } from '../pack/pack-artifact.js';
import type { BuildItem } from '../project/plan.js';
import { createCraftReport, parseSessionReport, reportText } from '../report/craft-report.js';
import { type ReportSummary, summarise } from '../report/report-summary.js';
import type { BuildSession } from '../session/session.js';
import { checkBuildPackages } from '../sources/build-packages.js';
import type { CommandContext } from './command-context.js';

/** What came of one platform. */
export interface PackedItem {
  readonly platform: string;
  readonly result: 'packed' | 'refused' | 'failed' | 'interrupted';
  readonly artifact: Pick<Artifact, 'path' | 'size' | 'sha256'> | undefined;
  /** Path of the report, when a managed session gave one. */
  readonly report: string | undefined;
  readonly summary: ReportSummary | undefined;
  readonly environment: 'bubblewrap' | 'host';
  /** Why it ended without an artifact, or what went wrong afterwards; the first one decides the exit code. */
  readonly errors: readonly unknown[];
}

/** One platform to pack. */
export interface PackItemOptions {
  readonly item: BuildItem;
  readonly kind: 'bubblewrap' | 'host';
  readonly output: string;
  readonly mtime: Date;
  /** Opens the session; everything is checked before. */
  readonly openSession: (() => Promise<BuildSession>) | undefined;
  readonly cache?: ConfiguredCache | undefined;
  readonly clock?: Clock;
}

/**
 * Packs one platform. A session that was opened is closed whatever happens, and its report is written whatever happens:
 * where the build failed most of all.
 */
export async function packItem(command: CommandContext, options: PackItemOptions): Promise<PackedItem> {
  const session = await options.openSession?.();
  const outcome: Outcome = { artifact: undefined, report: undefined, summary: undefined, errors: [] };
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      outcome.errors.push(error);
    }
  };
  await attempt(() =>
    withBuild({ ...command, ...buildOf(options), session }, async (bare) => {
      const cache = options.cache && openPartCache(bare, { ...options.cache, session: session?.policy ?? 'none' });
      const context = { ...bare, cache };
      await attempt(() => build(context));
      const raw = session && (await closeSession(command, session, attempt));
      await attempt(() => pack(context, options, outcome, raw));
      if (raw) await attempt(() => writeReport(context, options, outcome, raw));
      // Last of all: what is stored says that its build came out well and that its record is safe.
      if (outcome.errors.length === 0) await cache?.store(raw && parseSessionReport(raw));
    }),
  );
  if (session) await removeSession(command, session, outcome, attempt);
  const { artifact, report, summary, errors } = outcome;
  return {
    platform: options.item.platform,
    environment: options.kind,
    artifact,
    report,
    summary,
    errors,
    result: resultOf(outcome),
  };
}

interface Outcome {
  artifact: Artifact | undefined;
  report: string | undefined;
  summary: ReportSummary | undefined;
  readonly errors: unknown[];
}

type Attempt = (work: () => Promise<void>) => Promise<void>;
type RawReport = Record<string, unknown>;

type PackContext = LifecycleContext & { readonly cache: BuildCache | undefined };

async function build(context: LifecycleContext): Promise<void> {
  await checkBuildPackages(context);
  await runLifecycle(context, 'prime');
}

/** After this no byte moves in the session: what is in the report is all there is. */
async function closeSession(
  command: CommandContext,
  session: BuildSession,
  attempt: Attempt,
): Promise<RawReport | undefined> {
  let raw: RawReport | undefined;
  if (session.kind === 'managed') command.progress.task('closing the session');
  await attempt(async () => {
    raw = await session.finish();
  });
  return raw;
}

async function pack(
  context: LifecycleContext,
  options: PackItemOptions,
  outcome: Outcome,
  raw: RawReport | undefined,
): Promise<void> {
  if (raw) {
    outcome.summary = summarise(parseSessionReport(raw));
    const refused = outcome.summary.refusals.filter((refusal) => !refusal.delivered);
    // A build that swallowed a refusal is still not what was asked for; one that failed most likely failed for it.
    if (refused.length > 0 && !context.signal.aborted)
      outcome.errors.unshift(refusedError(outcome.summary.policy, refused.length));
  }
  if (outcome.errors.length > 0) return;
  context.progress.task('packing');
  outcome.artifact = await packArtifact(context, options.output, options.mtime);
  if (!raw) await forgetReport(`${outcome.artifact.path}.json`);
}

function refusedError(policy: string, count: number): CraftError {
  const what = count === 1 ? 'a download' : `${count} downloads`;
  const hint =
    policy === 'strict'
      ? 'allow what is meant in inspectors.yaml, or take it out of the build; --enable-fetch-service=permissive shows everything at once'
      : 'a permissive session refuses only addresses that builds may not reach: allow what is meant in acl.yaml';
  return new CraftError('CRAFT_REFUSED', `the ${policy} session refused ${what}`, { hint });
}

async function writeReport(
  context: PackContext,
  options: PackItemOptions,
  outcome: Outcome,
  raw: RawReport,
): Promise<void> {
  const { project, item, variables } = context;
  const { artifact } = outcome;
  const name =
    artifact?.file ?? artifactStem({ name: project.name, version: variables.get('version'), platform: item.platform });
  const path = join(options.output, `${name}.json`);
  const [error] = outcome.errors;
  const report = createCraftReport(raw, parseSessionReport(raw), {
    project,
    item,
    variables,
    artifact,
    environment: context.environment.kind,
    intervals: context.timeline.intervals,
    cachedParts: context.cache?.cachedParts() ?? [],
    result: resultOf(outcome),
    error:
      error === undefined
        ? undefined
        : { code: isWaybillError(error) ? error.code : 'CRAFT_INTERNAL', message: (error as Error).message },
    clock: options.clock ?? systemClock,
  });
  outcome.summary = summarise(report);
  try {
    await writeFileAtomic(path, reportText(report));
  } catch (cause) {
    throw new CraftError('CRAFT_REPORT_LOST', `the report ${path} cannot be written: ${(cause as Error).message}`, {
      hint: `the fetch service keeps it as session ${report['session-id']}`,
      cause,
    });
  }
  outcome.report = path;
  const failure = artifactStem({ name: project.name, version: variables.get('version'), platform: item.platform });
  if (artifact) await forgetReport(join(options.output, `${failure}.json`));
}

/**
 * Removes a report of an earlier run that what this run made would contradict: one of a failure beside an artifact, or one
 * beside an artifact that came to be without a session. Files that are no reports of ours stay.
 */
async function forgetReport(path: string): Promise<void> {
  const old: unknown = await readFile(path, 'utf8')
    .then(JSON.parse)
    .catch(() => undefined);
  if (craftReportSchema.safeParse(old).success) await rm(path, { force: true });
}

/** The service may forget the session once the report is on disk; until then it is the only one who has it. */
async function removeSession(
  command: CommandContext,
  session: BuildSession,
  outcome: Outcome,
  attempt: Attempt,
): Promise<void> {
  const managed = session.kind === 'managed' && outcome.report === undefined;
  // The build never came as far as closing it.
  if (managed && !outcome.errors.some(isReportLost)) await attempt(async () => void (await session.finish()));
  if (managed && outcome.errors.some(isReportLost)) return session.keep();
  const problem = await session.discard();
  if (problem) command.progress.warn(problem);
}

function isReportLost(error: unknown): boolean {
  return error instanceof CraftError && (error.code === 'CRAFT_REPORT_LOST' || error.code === 'CRAFT_REPORT_INVALID');
}

function resultOf({ artifact, errors }: Outcome): PackedItem['result'] {
  const [first] = errors;
  if (first === undefined && artifact) return 'packed';
  if (first instanceof CraftError && first.code === 'CRAFT_INTERRUPTED') return 'interrupted';
  return first instanceof CraftError && first.code === 'CRAFT_REFUSED' ? 'refused' : artifact ? 'packed' : 'failed';
}

function buildOf({ item, kind, cache, clock }: PackItemOptions) {
  return { item, kind, hide: cache ? [cache.directory] : [], ...(clock ? { clock } : {}) };
}
