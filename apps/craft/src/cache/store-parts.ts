import type { Artifact, Cache } from '@waybill/cache-client';
import type { SessionReport } from '@waybill/contracts';
import type { LifecycleContext, PartContext } from '../lifecycle/context.js';
import { formatBytes } from '../output/format-values.js';
import {
  canonicalText,
  type KeyDocument,
  keyOf,
  nameDocument,
  type SessionClass,
  weakDocument,
} from './key-document.js';
import type { PartDetails } from './part-details.js';
import { createRecord, recordBytes } from './part-record.js';
import { namesDirectory } from './place.js';
import { treeDigest } from './source-identity.js';

/** Which builds are pushed: all, those of strict sessions, none. */
export type PushRule = 'always' | 'strict' | 'never';

/** A part whose build ran, and what its result was right afterwards. */
export interface BuiltPart {
  readonly context: PartContext;
  readonly document: KeyDocument;
  /** Digest of what it installed. */
  readonly tree: string;
}

/** What parts are stored with. */
export interface StoreOptions {
  readonly context: LifecycleContext;
  readonly cache: Cache;
  readonly session: SessionClass;
  readonly push: PushRule;
  /** Report of the session, when there was one. */
  readonly report: SessionReport | undefined;
  readonly builtBy: string;
}

/** Puts parts into the local cache and brings them to the remotes that are written to. What does not work out is a warning. */
export async function storeParts(parts: readonly BuiltPart[], options: StoreOptions): Promise<void> {
  const { context, session, push } = options;
  if (parts.length > 0) context.progress.task('storing what was built');
  const stored: Artifact[] = [];
  for (const part of parts) {
    try {
      const artifact = await storePart(part, options);
      if (artifact) stored.push(artifact);
    } catch (error) {
      if (context.signal.aborted) return;
      context.progress.warn(`part ${part.context.name} was not put into the cache: ${(error as Error).message}`);
    }
  }
  if (push === 'never' || (push === 'strict' && session !== 'strict')) return;
  await Promise.all(stored.map((artifact) => pushArtifact(artifact, options)));
}

async function storePart(built: BuiltPart, options: StoreOptions): Promise<Artifact | undefined> {
  const { context, document } = built;
  const { report, session } = options;
  const { project, item, name, layout, paths, states } = context;
  if ((await treeDigest(paths.install)) !== built.tree) {
    context.progress.note(`part ${name} is not put into the cache: something changed what it installed`);
    return undefined;
  }
  if (session !== 'none' && report?.policy !== session) return undefined;
  const place = (await namesDirectory(paths.install, layout.project)) ? layout.parts : undefined;
  const named = nameDocument(document, { session, place });
  const weak = nameDocument(weakDocument(document), { session, place });
  const [pulled, done] = await Promise.all([states.read(name, 'pull'), states.read(name, 'build')]);
  const { intervals } = options.context.timeline;
  const facts = {
    project: project.name,
    part: name,
    platform: item.platform,
    key: keyOf(document),
    environment: context.environment.kind,
    intervals,
  };
  return options.cache.store({
    names: { project: project.name, part: name, platform: item.platform, key: keyOf(named), weakKey: keyOf(weak) },
    trees: { install: paths.install },
    keyDocument: Buffer.from(canonicalText(named)),
    record: report && recordBytes(createRecord(report, facts)),
    sessionPolicy: session === 'none' ? undefined : session,
    builtBy: options.builtBy,
    createdAt: intervals.findLast((step) => step.part === name && step.step === 'build')?.end ?? new Date(),
    details: {
      'pull-variables': pulled?.variables ?? {},
      'build-variables': done?.variables ?? {},
      outcome: pulled?.outcome ?? {},
    } satisfies PartDetails,
  });
}

/** Remotes that fail are told once by the cache itself. */
async function pushArtifact(artifact: Artifact, { cache, context }: StoreOptions): Promise<void> {
  const { part } = artifact.manifest;
  const results = await cache.push(artifact, { signal: context.signal }).catch(() => []);
  for (const { remote, outcome, sentBytes, error } of results) {
    if (outcome === 'pushed') context.progress.note(`pushed part ${part} to ${remote} (${formatBytes(sentBytes)})`);
    else context.progress.debug(`part ${part} to ${remote}: ${outcome}${error ? `, ${error.message}` : ''}`);
  }
}
