/** What a part's build left, as artifacts travel through caches: the manifest is the value of an entry, all else its references. */
import { z } from 'zod';
import { cacheBlobSchema } from './cache-api.js';

const keySchema = z.string().regex(/^[0-9a-f]{64}$/, 'expected a cache key in 64 lower-case hex digits');
const modeSchema = z.number().int().min(0).max(0o777);
/** What an outsider's manifest may make us write: relative, no empty, `.` or `..` segment, no control character. */
const pathSchema = z.string().min(1).max(4096).refine(isTreePath, 'expected a path inside of the tree');
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u001f\u007f]/;

function isTreePath(path: string): boolean {
  return (
    path.isWellFormed() &&
    !control.test(path) &&
    path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..' && segment.length <= 255)
  );
}

/** One file, directory or symbolic link of an artifact. The first segment of a path is the name of its tree. */
export const cacheTreeItemSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('file'), path: pathSchema, mode: modeSchema, ...cacheBlobSchema.shape }),
  z.strictObject({ type: z.literal('directory'), path: pathSchema, mode: modeSchema }),
  z.strictObject({
    type: z.literal('symlink'),
    path: pathSchema,
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a target ends at a zero byte
    target: z.string().regex(/^[^\u0000]{1,4095}$/, 'expected the target of a symbolic link'),
  }),
]);
export type CacheTreeItem = z.infer<typeof cacheTreeItemSchema>;

/** The manifest: canonical JSON (keys sorted, no white space), named by its sha256. docs/artifact-cache/artifacts.md describes it. */
export const cacheArtifactSchema = z.strictObject({
  format: z.literal(1),
  project: z.string().min(1).max(255),
  part: z.string().min(1).max(255),
  platform: z.string().min(1).max(255),
  /** Keys of the build that made it: strong, and weak where dependencies count by name only. */
  key: keySchema,
  'weak-key': keySchema.optional(),
  /** The document whose sha256 is the strong key. */
  'key-document': cacheBlobSchema.optional(),
  /** Sorted by path, in order of UTF-16 code units; parents before what is in them. */
  files: z.array(cacheTreeItemSchema).max(200_000),
  /** Excerpt of the session report: what the build of this part downloaded. */
  record: cacheBlobSchema.optional(),
  /** Policy of the session it was built in; absent when there was none. */
  'session-policy': z.enum(['strict', 'permissive']).optional(),
  /** Program and version. */
  'built-by': z.string().max(255),
  'created-at': z.iso.datetime(),
  /** What the program needs beside the files. */
  details: z.record(z.string(), z.json()).default({}),
});
export type CacheArtifact = z.infer<typeof cacheArtifactSchema>;

/** Names of an artifact's entry. `weak/` stands before the ones whose meaning changes with each newer build. */
export function cacheArtifactKeys(names: {
  readonly project: string;
  readonly part: string;
  readonly platform: string;
  readonly key: string;
  readonly weakKey?: string | undefined;
}): { readonly strong: string; readonly weak: string | undefined } {
  const place = [names.project, names.part, names.platform].map(encodeSegment).join('/');
  return {
    strong: `${place}/${names.key}`,
    weak: names.weakKey === undefined ? undefined : `weak/${place}/${names.weakKey}`,
  };
}

/** No `/` of a name may look like the end of it. */
function encodeSegment(name: string): string {
  return encodeURIComponent(name);
}

/** JSON in one spelling: keys sorted by code unit, no white space. Undefined members are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : member,
  );
}
