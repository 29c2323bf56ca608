import { type JsonObject, type Project, projectSchema } from '@waybill/contracts';
import { z } from 'zod';
import { variableNames } from '../lifecycle/project-variables.js';

const text = z.record(z.string().max(255), z.string().max(65_536));

const detailsSchema = z.object({
  'pull-variables': text,
  'build-variables': text,
  /** What the pull brought: commit, digests. */
  outcome: text,
});
/** What a manifest of ours carries beside the files: what scripts set with craftctl, and what identifies the source. */
export type PartDetails = z.infer<typeof detailsSchema>;

/**
 * Reads the details of somebody else's manifest. What its scripts are said to have set is held to the rules that craftctl has:
 * a version becomes part of a file name.
 * @returns `undefined` when they break a rule
 */
export function parseDetails(
  value: Readonly<Record<string, unknown>> | JsonObject,
  part: string,
  project: Pick<Project, 'adopt-info'>,
): PartDetails | undefined {
  const parsed = detailsSchema.safeParse(value);
  if (!parsed.success) return undefined;
  const set = [parsed.data['pull-variables'], parsed.data['build-variables']].flatMap((step) => Object.entries(step));
  const isAllowed = set.every(([name, found]) => {
    const known = variableNames.find((candidate) => candidate === name);
    return known !== undefined && projectSchema.shape[known].safeParse(found).success;
  });
  return isAllowed && (set.length === 0 || project['adopt-info'] === part) ? parsed.data : undefined;
}
