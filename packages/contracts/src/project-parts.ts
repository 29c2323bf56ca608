import { z } from 'zod';
import { parseDigest } from './digest.js';
import { sourceTypes } from './project-source.js';
import { fileset, insidePath, line, nonEmpty, uniqueStrings } from './project-text.js';

const packageName = nonEmpty.regex(
  /^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(=[A-Za-z0-9.+:~-]+)?$/,
  'expected an apt package: name, name:architecture or name=version',
);

const checksum = nonEmpty.refine(
  (text) => {
    try {
      return Boolean(parseDigest(text));
    } catch {
      return false;
    }
  },
  { error: 'expected <algorithm>/<hex digits>, such as sha256/9f86d081…' },
);

const environmentList = z.array(
  z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of an environment variable'), z.string())
    .refine((pair) => Object.keys(pair).length === 1, 'expected one `NAME: value` an entry'),
);

const commonPart = {
  source: line.optional(),
  'source-type': z.enum(sourceTypes).optional(),
  'source-checksum': checksum.optional(),
  'source-branch': line.optional(),
  'source-tag': line.optional(),
  'source-commit': nonEmpty.regex(/^[0-9a-fA-F]{4,64}$/, 'expected a commit id in hex digits').optional(),
  'source-depth': z.number().int().nonnegative().optional(),
  'source-subdir': insidePath.optional(),
  'source-submodules': z.array(insidePath).optional(),
  after: uniqueStrings.default([]),
  'disable-parallel': z.boolean().default(false),
  'build-packages': z.array(packageName).default([]),
  'build-environment': environmentList.default([]),
  'stage-packages': z.array(packageName).default([]),
  'override-pull': nonEmpty.optional(),
  'override-build': nonEmpty.optional(),
  'override-stage': nonEmpty.optional(),
  'override-prime': nonEmpty.optional(),
  organize: z.record(insidePath, insidePath).default({}),
  stage: fileset.default(['*']),
  prime: fileset.default(['*']),
};

/** Part with plugin `nil`: nothing is built; `override-*` and `stage-packages` may still bring files. */
export const nilPartSchema = z.strictObject({ plugin: z.literal('nil'), ...commonPart });
/** Part with plugin `dump`: the source's files are the result. */
export const dumpPartSchema = z.strictObject({ plugin: z.literal('dump'), ...commonPart });
/** Part with plugin `make`: `make`, then `make install` with DESTDIR. */
export const makePartSchema = z.strictObject({
  plugin: z.literal('make'),
  ...commonPart,
  'make-parameters': z.array(line).default([]),
});
/** Part with plugin `npm`: the package is packed and installed below `lib/node_modules`, its programs in `bin`. */
export const npmPartSchema = z.strictObject({ plugin: z.literal('npm'), ...commonPart });

/** Words of a command line; each stands for itself. */
const words = z.array(line).default([]);
const names = z
  .array(nonEmpty.regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, 'expected a name: letters, digits and . _ / -'))
  .default([]);

/** Part with plugin `cmake`: configured, built and installed outside of its source. */
export const cmakePartSchema = z.strictObject({
  plugin: z.literal('cmake'),
  ...commonPart,
  'cmake-generator': z.enum(['Unix Makefiles', 'Ninja']).default('Unix Makefiles'),
  'cmake-parameters': words,
});
/** Part with plugin `autotools`: `configure`, made first where it is missing, then `make` and `make install` with DESTDIR. */
export const autotoolsPartSchema = z.strictObject({
  plugin: z.literal('autotools'),
  ...commonPart,
  'autotools-bootstrap-parameters': words,
  'autotools-configure-parameters': words,
});
/** Part with plugin `meson`: set up, compiled and installed outside of its source. */
export const mesonPartSchema = z.strictObject({
  plugin: z.literal('meson'),
  ...commonPart,
  'meson-parameters': words,
});
/** Part with plugin `go`: the programs of a module go to `bin`. */
export const goPartSchema = z.strictObject({
  plugin: z.literal('go'),
  ...commonPart,
  'go-buildtags': names,
  'go-generate': words,
});
/** Part with plugin `rust`: the programs of a package go to `bin`. */
export const rustPartSchema = z.strictObject({
  plugin: z.literal('rust'),
  ...commonPart,
  'rust-path': z.array(insidePath).min(1).default(['.']),
  'rust-features': names,
  'rust-no-default-features': z.boolean().default(false),
  'rust-cargo-parameters': words,
});
/** Part with plugin `python`: a virtual environment with the project, its requirements and further packages. */
export const pythonPartSchema = z.strictObject({
  plugin: z.literal('python'),
  ...commonPart,
  'python-packages': words,
  'python-requirements': z.array(insidePath).default([]),
  'python-constraints': z.array(insidePath).default([]),
});
/** Part with plugin `uv`: a virtual environment with the project as `uv.lock` has it. */
export const uvPartSchema = z.strictObject({
  plugin: z.literal('uv'),
  ...commonPart,
  'uv-extras': names,
  'uv-groups': names,
});
/** Part with plugin `maven`: the jars of `mvn package` go to `jar`. */
export const mavenPartSchema = z.strictObject({
  plugin: z.literal('maven'),
  ...commonPart,
  'maven-parameters': words,
  'maven-use-wrapper': z.boolean().default(false),
});
/** Part with plugin `gradle`: the jars of a task go to `jar`. */
export const gradlePartSchema = z.strictObject({
  plugin: z.literal('gradle'),
  ...commonPart,
  'gradle-task': nonEmpty.regex(/^[A-Za-z:][A-Za-z0-9:_-]*$/, 'expected the name of a task').default('build'),
  'gradle-parameters': words,
});

const allParts = [
  nilPartSchema,
  dumpPartSchema,
  makePartSchema,
  cmakePartSchema,
  autotoolsPartSchema,
  mesonPartSchema,
  npmPartSchema,
  pythonPartSchema,
  uvPartSchema,
  goPartSchema,
  rustPartSchema,
  mavenPartSchema,
  gradlePartSchema,
] as const;

/** One part. The plugin decides which keys exist. */
export const partSchema = z.discriminatedUnion('plugin', allParts, {
  error: (issue) =>
    issue.code === 'invalid_union' ? `expected \`plugin\` to be one of ${pluginNames.join(', ')}` : undefined,
});
export type PartConfig = z.infer<typeof partSchema>;

/** Names of the plugins. */
export const pluginNames = allParts.map((schema) => schema.shape.plugin.value);
/** One of {@link pluginNames}. */
export type PluginName = PartConfig['plugin'];
