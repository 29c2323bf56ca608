/**
 * `craft.yaml`. Names and meaning of the keys are those of the craft family's project files where they exist
 * (specs/craft-client.md §3.1); values keep their spelling in the file, so a path in an error is a path in the file.
 */
import { z } from 'zod';
import { imageSchema } from './project-image.js';
import { nilPartSchema, type PartConfig, partSchema } from './project-parts.js';
import { inferSourceType, sourceTypes } from './project-source.js';
import { line, nonEmpty, uniqueInsidePaths, wholeMessage } from './project-text.js';

/** Debian's names of the architectures that a platform may name. */
export const architectures = ['amd64', 'arm64', 'armhf', 'i386', 'ppc64el', 'riscv64', 's390x'] as const;
/** One of {@link architectures}. */
export type Architecture = (typeof architectures)[number];

/** Whether the text names one of {@link architectures}. */
export function isArchitecture(text: string): text is Architecture {
  return (architectures as readonly string[]).includes(text);
}

const architecture = z.enum(architectures);
const oneOrMore = <T extends z.ZodType>(item: T) => z.union([item.transform((value) => [value]), z.array(item).min(1)]);
const buildFor = z.union([architecture, z.literal('all')]);

/** Value of one platform as written; absent keys follow from the platform's name when that is an architecture. */
const platformInput = z
  .strictObject({
    'build-on': oneOrMore(architecture).optional(),
    'build-for': z
      .union([
        buildFor,
        z
          .array(buildFor)
          .length(1)
          .transform(([only]) => only as z.infer<typeof buildFor>),
      ])
      .optional(),
  })
  .nullable();

/** Where a platform is built and for what. */
export interface Platform {
  readonly 'build-on': readonly Architecture[];
  readonly 'build-for': Architecture | 'all';
}

const platformName = nonEmpty
  .regex(/^[A-Za-z0-9][A-Za-z0-9.+~@:_-]*$/, 'expected a platform name: letters, digits and . + ~ @ : _ -')
  .refine((name) => name !== 'any' && name !== '*', '`any` and `*` are reserved');

const platformsSchema = z.record(platformName, platformInput).transform((platforms, context) => {
  const out: Record<string, Platform> = {};
  for (const [name, value] of Object.entries(platforms)) {
    const own = isArchitecture(name) ? name : undefined;
    const on = value?.['build-on'] ?? (own && [own]);
    const target = value?.['build-for'] ?? own;
    if (on && target) out[name] = { 'build-on': on, 'build-for': target };
    else {
      context.addIssue({
        code: 'custom',
        path: [name],
        params: wholeMessage,
        message: `platform \`${name}\` is not an architecture, so it needs \`${on ? 'build-for' : 'build-on'}\``,
      });
    }
  }
  if (Object.keys(platforms).length === 0)
    context.addIssue({ code: 'custom', message: 'expected at least one platform' });
  return out;
});

const stringList = z.array(line);
/** A program of a snap, as `meta/snap.yaml` has it. */
export const snapAppSchema = z.strictObject({
  command: line,
  daemon: z.enum(['simple', 'oneshot', 'forking', 'notify', 'dbus']).optional(),
  'stop-command': line.optional(),
  'post-stop-command': line.optional(),
  'restart-condition': z
    .enum(['on-failure', 'on-success', 'on-abnormal', 'on-abort', 'on-watchdog', 'always', 'never'])
    .optional(),
  plugs: stringList.optional(),
  slots: stringList.optional(),
  environment: z.record(z.string(), z.string()).optional(),
});

const linkOrLinks = z.union([line, stringList]);

const projectShape = {
  name: nonEmpty
    .max(40, 'expected at most 40 characters')
    .regex(
      /^(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/,
      'expected lower-case letters, digits and inner hyphens, with at least one letter',
    ),
  title: line.max(40, 'expected at most 40 characters').optional(),
  version: z
    .string()
    .max(32, 'expected at most 32 characters')
    .regex(/^[A-Za-z0-9]([A-Za-z0-9:.+~-]*[A-Za-z0-9+~])?$/, 'expected a version: letters, digits and : . + ~ -')
    .optional(),
  summary: line.max(78, 'expected at most 78 characters').optional(),
  description: nonEmpty.optional(),
  /** The part whose scripts may set `version`, `summary` and `description` with craftctl. */
  'adopt-info': nonEmpty.optional(),
  base: line.optional(),
  'build-base': line.optional(),
  license: line.optional(),
  contact: linkOrLinks.optional(),
  issues: linkOrLinks.optional(),
  'source-code': linkOrLinks.optional(),
  type: z.enum(['tar', 'snap', 'oci', 'rock']).default('tar'),
  /** Of `type: oci` and `rock`. Ours. */
  image: imageSchema.optional(),
  grade: z.enum(['stable', 'devel']).optional(),
  confinement: z.enum(['strict', 'devmode', 'classic']).optional(),
  apps: z
    .record(
      nonEmpty.regex(/^[A-Za-z0-9](-?[A-Za-z0-9])*$/, 'expected letters, digits and inner hyphens'),
      snapAppSchema,
    )
    .optional(),
  platforms: platformsSchema,
  /** Lock files below the project whose digests vouch in its sessions. Ours. */
  'lock-files': uniqueInsidePaths.optional(),
  parts: z
    .record(
      nonEmpty.regex(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/, 'expected a part name: letters, digits and . _ + -'),
      partSchema,
    )
    .refine((parts) => Object.keys(parts).length > 0, 'expected at least one part'),
};

/** The project file. Unknown keys are errors; references between parts are checked. */
export const projectSchema = z.strictObject(projectShape).superRefine((project, context) => {
  const issue = (path: PropertyKey[], message: string) =>
    context.addIssue({ code: 'custom', path, message, params: wholeMessage });
  if (project.type !== 'snap') {
    for (const key of ['grade', 'confinement', 'apps'] as const) {
      if (project[key] !== undefined) issue([key], `\`${key}\` belongs to projects of \`type: snap\``);
    }
  }
  if (project.type === 'oci' || project.type === 'rock') {
    if (project.base !== undefined && project.base !== 'bare')
      issue(
        ['base'],
        `an image holds what its parts bring: expected \`base: bare\` or none, found \`${project.base}\``,
      );
  } else if (project.image !== undefined) issue(['image'], '`image` belongs to projects of `type: oci` or `rock`');
  const adopt = project['adopt-info'];
  if (adopt !== undefined && !Object.hasOwn(project.parts, adopt))
    issue(['adopt-info'], `there is no part \`${adopt}\``);
  if (project.version === undefined && adopt === undefined) {
    issue(['version'], 'missing `version`, or `adopt-info` with the name of the part that sets it');
  }
  for (const [name, part] of Object.entries(project.parts)) checkPart(name, part, project.parts, issue);
});
/** A valid project. */
export type Project = z.infer<typeof projectSchema>;
/** As written, before defaults. */
export type ProjectInput = z.input<typeof projectSchema>;

type AddIssue = (path: PropertyKey[], message: string) => void;

function checkPart(name: string, part: PartConfig, parts: Record<string, PartConfig>, add: AddIssue): void {
  const issue = (key: string, message: string) => add(['parts', name, key], message);
  part.after.forEach((other, index) => {
    if (other === name) add(['parts', name, 'after', index], `part \`${name}\` cannot come after itself`);
    else if (!Object.hasOwn(parts, other)) add(['parts', name, 'after', index], `there is no part \`${other}\``);
  });
  const source = part.source;
  if (source === undefined) {
    for (const key of sourceOptions) if (part[key] !== undefined) issue(key, `\`${key}\` needs a \`source\``);
    // A virtual environment may hold packages of an index alone.
    const needsSource = part.plugin !== 'nil' && !(part.plugin === 'python' && part['python-packages'].length > 0);
    if (needsSource) {
      add(['parts', name], `plugin \`${part.plugin}\` needs a \`source\``);
    }
    return;
  }
  const type = part['source-type'] ?? inferSourceType(source);
  if (type === undefined) {
    issue('source', `cannot tell the type of this source; name it with \`source-type\` (${sourceTypes.join(', ')})`);
    return;
  }
  if (type !== 'git') {
    for (const key of gitOptions)
      if (part[key] !== undefined) issue(key, `\`${key}\` is for git sources, this one is \`${type}\``);
  }
  if (part['source-checksum'] !== undefined && (type === 'git' || type === 'local')) {
    issue('source-checksum', `\`source-checksum\` is for files that are downloaded, this source is \`${type}\``);
  }
  const [first, second] = (['source-tag', 'source-branch', 'source-commit'] as const).filter(
    (key) => part[key] !== undefined,
  );
  if (first && second) issue(second, `\`${first}\` and \`${second}\` exclude each other`);
}

const gitOptions = ['source-branch', 'source-tag', 'source-commit', 'source-depth', 'source-submodules'] as const;
const sourceOptions = ['source-type', 'source-checksum', 'source-subdir', ...gitOptions] as const;

/** Keys that the craft family knows and this version does not act on; refused with a reason instead of as a typing error. */
const unsupportedKeys: Readonly<Record<string, string>> = {
  'build-snaps': 'snaps are not installed into the build environment',
  'stage-snaps': 'snaps cannot be staged',
  'stage-slices': 'slices cannot be staged',
  'overlay-packages': 'overlays are not supported',
  'overlay-script': 'overlays are not supported',
  'override-overlay': 'overlays are not supported',
  overlay: 'overlays are not supported',
  permissions: 'permissions are taken from the files as they are built',
  'source-channel': 'snap sources are not supported',
  'build-attributes': 'this version has no build attributes',
  'npm-include-node': 'bring Node as a part of its own, with a source and its checksum',
  'npm-node-version': 'bring Node as a part of its own, with a source and its checksum',
  'package-repositories': 'packages come from the repositories that apt is configured for',
};

/** Why a known key of the craft family is refused, when the key is one of those. */
export function unsupportedProjectKey(key: string): string | undefined {
  return Object.hasOwn(unsupportedKeys, key) ? unsupportedKeys[key] : undefined;
}

/** Keys that the project file may hold at a path: for suggestions when one is misspelt. Empty where any key may stand. */
export function projectKeysAt(path: readonly PropertyKey[], plugin: string | undefined): readonly string[] {
  if (path.length === 0) return Object.keys(projectShape);
  if (path[0] === 'parts' && path.length === 2) {
    const schema = partSchema.options.find(({ shape }) => shape.plugin.value === plugin) ?? nilPartSchema;
    return Object.keys(schema.shape);
  }
  if (path[0] === 'image' && path.length === 1) return Object.keys(imageSchema.shape);
  if (path[0] === 'platforms' && path.length === 2) return ['build-on', 'build-for'];
  if (path[0] === 'apps' && path.length === 2) return Object.keys(snapAppSchema.shape);
  return [];
}
