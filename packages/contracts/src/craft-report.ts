/** The report that `craft pack` writes: the session report as the service gave it, with craft's own keys beside it. */
import { z } from 'zod';
import { reportArtifactSchema, reportRefusalSchema, sessionReportSchema } from './report.js';

/**
 * What the build of one part downloaded, out of the report of its session: travels with the part's artifact through caches.
 * Its sha256 is over the JSON in one spelling ({@link canonicalJson}).
 */
export const craftRecordSchema = z.object({
  format: z.literal(1),
  project: z.string(),
  part: z.string(),
  platform: z.string(),
  /** Strong key of the build. */
  key: z.string(),
  /** When the build of the part ended. */
  at: z.string(),
  generator: z.string(),
  'session-id': z.string(),
  policy: z.enum(['strict', 'permissive']),
  'build-environment': z.object({ kind: z.enum(['bubblewrap', 'host']), 'bypass-controlled': z.boolean() }),
  steps: z.array(z.object({ part: z.string(), step: z.string(), 'start-time': z.string(), 'end-time': z.string() })),
  /** With the downloads of this part's steps only, and beside them the artifacts that vouch for them. */
  artifacts: z.array(reportArtifactSchema),
  /** What a permissive session let pass, or what was refused without failing the build. */
  refusals: z.array(reportRefusalSchema),
});
export type CraftRecord = z.infer<typeof craftRecordSchema>;

/** Says that something was not downloaded in this session but in that of an earlier build. */
export const craftRecordedSchema = z.object({
  /** Part that was taken from the cache. */
  part: z.string(),
  /** When it was built. */
  at: z.string(),
  /** sha256 of the record. */
  record: z.string(),
  'session-id': z.string(),
  policy: z.enum(['strict', 'permissive']),
});
export type CraftRecorded = z.infer<typeof craftRecordedSchema>;

/** A part that was not built but taken from a cache. */
export const craftCachedPartSchema = z.object({
  part: z.string(),
  /** Strong key. */
  key: z.string(),
  /** sha256 of the artifact's manifest. */
  artifact: z.string(),
  /** `local`, or the URL of the cache it came from first. */
  origin: z.string(),
  namespace: z.string().optional(),
  writer: z.string().optional(),
  'built-by': z.string(),
  recorded: craftRecordedSchema,
  /** The record itself, verbatim: its digest can be computed again. */
  record: craftRecordSchema,
});
export type CraftCachedPart = z.infer<typeof craftCachedPartSchema>;

/** A download as the craft family's manifest lists it. specs/craft-client.md §1.7. */
export const craftDependencySchema = z.object({
  'component-name': z.string(),
  'component-version': z.string(),
  'component-description': z.string(),
  'component-id': z.object({ hashes: z.object({ sha1: z.string(), sha256: z.string() }) }),
  architecture: z.string(),
  type: z.string(),
  'component-author': z.string(),
  'component-vendor': z.string(),
  size: z.number().int().nonnegative(),
  url: z.array(z.string()),
  /** Downloaded by an earlier build, whose part this one took from a cache. Ours. */
  recorded: craftRecordedSchema.optional(),
});
export type CraftDependency = z.infer<typeof craftDependencySchema>;

/** When a step of a part ran. */
export const craftStepSchema = z.object({
  part: z.string(),
  step: z.string(),
  'start-time': z.string(),
  'end-time': z.string(),
});
export type CraftStep = z.infer<typeof craftStepSchema>;

/** A refusal or failure with the part and step that ran when it happened. */
export const craftRefusalSchema = reportRefusalSchema.extend({
  part: z.string().optional(),
  step: z.string().optional(),
});
export type CraftRefusal = z.infer<typeof craftRefusalSchema>;

/** How a build went. */
export const craftBuildSchema = z.object({
  /** `packed`: there is an artifact; `refused`: strict policy refused a download; `failed`; `interrupted`. */
  result: z.enum(['packed', 'refused', 'failed', 'interrupted']),
  platform: z.string(),
  /** File name of the artifact, when there is one. */
  artifact: z.string().optional(),
  size: z.number().int().nonnegative().optional(),
  /** Why there is none. */
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  steps: z.array(craftStepSchema),
});
export type CraftBuild = z.infer<typeof craftBuildSchema>;

/** The report. The keys of the craft family's manifest stand at the top level, so its readers find them. */
export const craftReportSchema = sessionReportSchema.extend({
  refusals: z.array(craftRefusalSchema),
  failures: z.array(craftRefusalSchema),
  'component-name': z.string(),
  'component-version': z.string().optional(),
  'component-description': z.string().optional(),
  'component-id': z.object({ hashes: z.object({ sha1: z.string(), sha256: z.string() }) }).optional(),
  architecture: z.string(),
  license: z.string().optional(),
  'metadata-generator': z.string(),
  'creation-timestamp': z.string(),
  'build-environment': z.object({
    kind: z.enum(['bubblewrap', 'host']),
    /** Whether the build had no other way out than the session. */
    'bypass-controlled': z.boolean(),
  }),
  build: craftBuildSchema,
  dependencies: z.array(craftDependencySchema),
  /** Parts that were taken from a cache, with the records of their builds. */
  'cached-parts': z.array(craftCachedPartSchema).optional(),
});
export type CraftReport = z.infer<typeof craftReportSchema>;
