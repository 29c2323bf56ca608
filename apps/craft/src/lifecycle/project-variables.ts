import { projectSchema } from '@waybill/contracts';
import { CraftError } from '../errors.js';
import type { PartContext, ProjectVariable } from './context.js';

/** What craftctl may get and set. */
export const variableNames: readonly ProjectVariable[] = ['version', 'summary', 'description'];

/**
 * Sets a field of the project from a script of the part that `adopt-info` names.
 * @throws CraftError CRAFT_PART_FAILED
 */
export function setVariable(context: PartContext, name: string, value: string): void {
  const fail = (message: string, hint: string) =>
    new CraftError('CRAFT_PART_FAILED', `craftctl set ${name}: ${message}`, { hint });
  const known = variableNames.find((candidate) => candidate === name);
  if (!known) throw fail('there is no such field', `fields: ${variableNames.join(', ')}`);
  if (context.project['adopt-info'] !== context.name) {
    throw fail(
      `only the part that \`adopt-info\` names may set it`,
      `add \`adopt-info: ${context.name}\` to craft.yaml`,
    );
  }
  const checked = projectSchema.shape[known].safeParse(value);
  if (!checked.success)
    throw fail(checked.error.issues[0]?.message ?? 'not a valid value', `found ${JSON.stringify(value)}`);
  context.variables.set(known, value);
}

/**
 * Version of what is packed.
 * @throws CraftError CRAFT_VERSION_MISSING when the part that should have set it did not
 */
export function requireVersion(variables: ReadonlyMap<ProjectVariable, string>, adopt: string | undefined): string {
  const version = variables.get('version');
  if (version !== undefined) return version;
  throw new CraftError('CRAFT_VERSION_MISSING', `part ${adopt ?? '?'} did not set the version`, {
    hint: 'call `craftctl set version=…` in one of its override scripts',
  });
}
