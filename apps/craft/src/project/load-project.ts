import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Project, projectKeysAt, projectSchema, unsupportedProjectKey } from '@waybill/contracts';
import { CraftError } from '../errors.js';
import { parseYamlFile } from './yaml-file.js';

/** Name of the project file. */
export const projectFileName = 'craft.yaml';
const maxFileBytes = 1 << 20;

/**
 * Reads `craft.yaml` of a directory.
 * @throws CraftError CRAFT_PROJECT_MISSING, CRAFT_PROJECT_INVALID (with line and column)
 */
export async function loadProject(directory: string): Promise<Project> {
  const path = join(directory, projectFileName);
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > maxFileBytes) {
      throw new CraftError(
        'CRAFT_PROJECT_INVALID',
        `${projectFileName} has ${size} bytes, at most ${maxFileBytes} are read`,
      );
    }
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof CraftError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new CraftError('CRAFT_PROJECT_MISSING', `there is no ${projectFileName} in ${directory}`, {
        hint: 'run craft in the directory of the project, or name it with --project-dir',
        cause,
      });
    }
    throw new CraftError('CRAFT_PROJECT_MISSING', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  return parseProject(text);
}

/**
 * Parses the text of a project file.
 * @throws CraftError CRAFT_PROJECT_INVALID (with line and column)
 */
export function parseProject(text: string, file: string = projectFileName): Project {
  return parseYamlFile(text, {
    schema: projectSchema,
    file,
    code: 'CRAFT_PROJECT_INVALID',
    isText: isTextPath,
    keysAt: (path, document) => projectKeysAt(path, pluginOf(path, document)),
    explainKey: unsupportedProjectKey,
  });
}

const textKeys = new Set(['version', 'source-tag', 'source-branch', 'source-commit', 'title', 'base', 'build-base']);
const textMaps = new Set(['build-environment', 'environment', 'make-parameters', 'stage-packages']);

function isTextPath(path: readonly PropertyKey[]): boolean {
  return textKeys.has(String(path.at(-1))) || path.some((key) => typeof key === 'string' && textMaps.has(key));
}

function pluginOf(path: readonly PropertyKey[], document: unknown): string | undefined {
  const parts = (document as { parts?: Record<string, { plugin?: unknown } | null> } | null)?.parts;
  const plugin = path[0] === 'parts' ? parts?.[String(path[1])]?.plugin : undefined;
  return typeof plugin === 'string' ? plugin : undefined;
}
