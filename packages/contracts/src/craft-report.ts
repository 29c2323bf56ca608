/** The report that `craft pack` writes: the session report as the service gave it, with craft's own keys beside it. */
import { z } from 'zod';
import { reportRefusalSchema, sessionReportSchema } from './report.js';

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
});
export type CraftReport = z.infer<typeof craftReportSchema>;
