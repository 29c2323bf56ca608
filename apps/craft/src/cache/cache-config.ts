import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { artifactsConfigSchema, type PlacedArtifacts, projectCachesSchema } from '@waybill/cache-client';
import { z } from 'zod';
import { parseYamlFile } from '../project/yaml-file.js';

/** The user's file below the configuration directory, and the file beside `craft.yaml` in which a project recommends caches. */
export const [userFileName, projectFileName] = ['craft.yaml', 'artifacts.yaml'] as const;

const units = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 } as const;

const sizeSchema = z
  .string()
  .regex(/^([1-9]\d{0,14})([KMGT]?)$/, 'expected a number of bytes, such as 20G (K, M, G and T are powers of 1024)')
  .transform((text) => {
    const [, number = '', unit = ''] = /^(\d+)([KMGT]?)$/.exec(text) ?? [];
    return Number(number) * units[unit as keyof typeof units];
  });

const acceptSchema = z.strictObject({
  namespaces: z.array(z.string().min(1)).optional(),
  writers: z.array(z.string().min(1)).optional(),
  'strict-only': z.boolean().optional(),
});

const userSchema = z.strictObject({
  artifacts: artifactsConfigSchema.optional(),
  projects: projectCachesSchema.optional(),
  cache: z
    .strictObject({
      enabled: z.boolean().default(true),
      directory: z.string().min(1).optional(),
      quota: sizeSchema.optional(),
      push: z.enum(['always', 'strict', 'never']).default('always'),
      accept: acceptSchema.default({}),
    })
    .optional(),
});
/** What the user says on caches. */
export type UserCacheConfig = z.output<typeof userSchema>;

const projectSchema = z.strictObject({ artifacts: artifactsConfigSchema });

/**
 * Reads the user's file; `undefined` when there is none.
 * @throws CraftError CRAFT_CONFIG_INVALID with line and column
 */
export async function readUserConfig(directory: string): Promise<UserCacheConfig | undefined> {
  return readConfig(join(directory, userFileName), userSchema, (path) => keysAt(path, userSchema));
}

/**
 * Reads what the project recommends; `undefined` when there is nothing.
 * @throws CraftError CRAFT_CONFIG_INVALID with line and column
 */
export async function readRecommendation(directory: string): Promise<PlacedArtifacts | undefined> {
  const found = await readConfig(join(directory, projectFileName), projectSchema, () => ['artifacts']);
  return found && { artifacts: found.artifacts, directory: resolve(directory) };
}

async function readConfig<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  keys: (path: readonly PropertyKey[]) => readonly string[],
): Promise<z.infer<Schema> | undefined> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined;
    throw cause;
  });
  if (text === undefined) return undefined;
  return parseYamlFile(text, {
    schema,
    file: path,
    code: 'CRAFT_CONFIG_INVALID',
    // 20 bytes are written without a unit.
    isText: (place) => place.at(-1) === 'quota',
    keysAt: keys,
  });
}

function keysAt(path: readonly PropertyKey[], schema: typeof userSchema): readonly string[] {
  if (path.length === 0) return Object.keys(schema.shape);
  if (path[0] === 'cache' && path.length === 1) return ['enabled', 'directory', 'quota', 'push', 'accept'];
  return path[0] === 'cache' && path[1] === 'accept' ? Object.keys(acceptSchema.shape) : [];
}
