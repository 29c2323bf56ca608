import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type InspectorsConfigInput, inspectorsConfigSchema } from '@waybill/contracts';
import { parse } from 'yaml';
import { CraftError } from '../errors.js';
import { parseYamlFile } from '../project/yaml-file.js';

/** File of a project with what its own sessions allow in addition. */
export const projectInspectorsFile = 'inspectors.yaml';
const maxBytes = 4 << 20;

/**
 * Reads the project's `inspectors.yaml`; `undefined` when there is none.
 * @throws CraftError CRAFT_CONFIG_INVALID with line and column
 */
export function readProjectInspectors(project: string): Promise<InspectorsConfigInput | undefined> {
  return readInspectors(join(project, projectInspectorsFile), projectInspectorsFile);
}

/**
 * Reads an `inspectors.yaml`; `undefined` when there is none.
 * @param shown its name in messages
 * @throws CraftError CRAFT_CONFIG_INVALID with line and column
 */
export async function readInspectors(path: string, shown = path): Promise<InspectorsConfigInput | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CraftError('CRAFT_CONFIG_INVALID', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  if (text.length > maxBytes) throw new CraftError('CRAFT_CONFIG_INVALID', `${path} has more than ${maxBytes} bytes`);
  parseYamlFile(text, {
    schema: inspectorsConfigSchema,
    file: shown,
    code: 'CRAFT_CONFIG_INVALID',
    isText: (path) => path.at(-1) === 'version',
    keysAt: (path) => (path.length === 0 ? Object.keys(inspectorsConfigSchema.shape) : []),
  });
  // The service checks and fills it itself: it gets what is written, not what our schema made of it.
  return (parse(text) as InspectorsConfigInput | null) ?? {};
}

/**
 * Sections for one session. A section replaces the service's as a whole (specs/fetch-service.md §6.2), so each section of the
 * project is joined with the service's section of that name: lists are appended, maps merged, the project's entry wins.
 * Sections that the project does not name are left to the service.
 */
export function mergeSections(base: InspectorsConfigInput, project: InspectorsConfigInput): InspectorsConfigInput {
  const merged = Object.entries(project).map(([section, value]) => [
    section,
    merge(base[section as keyof InspectorsConfigInput], value),
  ]);
  return Object.fromEntries(merged) as InspectorsConfigInput;
}

function merge(base: unknown, own: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(own)) {
    const known = new Set(base.map((entry) => JSON.stringify(entry)));
    return [...base, ...own.filter((entry) => !known.has(JSON.stringify(entry)))];
  }
  if (isMap(base) && isMap(own)) {
    const keys = [...new Set([...Object.keys(base), ...Object.keys(own)])];
    return Object.fromEntries(
      keys.map((key) => [key, key in own ? (key in base ? merge(base[key], own[key]) : own[key]) : base[key]]),
    );
  }
  return own;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
