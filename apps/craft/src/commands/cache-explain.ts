import { explainKey, type KeyDifference } from '../cache/explain-key.js';
import {
  type KeyDocument,
  keyDocumentSchema,
  keyOf,
  nameDocument,
  type SessionClass,
  weakDocument,
} from '../cache/key-document.js';
import { createKeyFiles } from '../cache/key-files.js';
import { type CacheBuild, type CacheBuildOptions, withCacheBuilds } from './cache-build.js';
import type { CommandContext } from './command-context.js';

/** Why the key of a part is what it is. */
export interface ExplainedKey {
  readonly platform: string;
  readonly part: string;
  /** `undefined` while only its pull shows what it is made of. */
  readonly key: string | undefined;
  readonly document: KeyDocument | undefined;
  /** What it is compared with; `undefined` when there was no build before. */
  readonly before:
    | {
        readonly key: string;
        /** The last build here, or an artifact with the same weak key. */
        readonly from: 'last build' | 'cache';
        readonly differences: readonly KeyDifference[];
      }
    | undefined;
}

/**
 * Compares the key of a part's next build with that of its last one here; where there was none, with that of an artifact of
 * the same weak key.
 * @throws CraftError
 */
export async function cacheExplain(command: CommandContext, options: CacheBuildOptions): Promise<ExplainedKey[]> {
  const explained = await withCacheBuilds(command, options, (build) =>
    Promise.all(build.parts.map((part) => explain(build, part))),
  );
  return explained.flat();
}

async function explain(build: CacheBuild, part: string): Promise<ExplainedKey> {
  const { platform } = build.context.item;
  const document = await build.keys.document(part);
  if (!document) return { platform, part, key: undefined, document, before: undefined };
  const last = await createKeyFiles(build.context.layout).read(part);
  const other = last ?? (await relative(build, part, document));
  return {
    platform,
    part,
    key: keyOf(document),
    document,
    before: other && {
      key: keyOf(other),
      from: last ? 'last build' : 'cache',
      differences: explainKey(other, document),
    },
  };
}

/** The document of an artifact that differs in its dependencies only, if at all. */
async function relative(build: CacheBuild, part: string, document: KeyDocument): Promise<KeyDocument | undefined> {
  const { context, cache } = build;
  for (const session of ['strict', 'permissive', 'none'] satisfies SessionClass[]) {
    for (const place of [undefined, context.layout.parts]) {
      const variant = { session, place };
      const names = {
        project: context.project.name,
        part,
        platform: context.item.platform,
        key: keyOf(nameDocument(document, variant)),
        weakKey: keyOf(nameDocument(weakDocument(document), variant)),
      };
      const found = await cache.find(names, { weak: true });
      const parsed = keyDocumentSchema.safeParse(parseJson(await found?.read('key-document')));
      if (!parsed.success) continue;
      const { session: _, place: __, ...plain } = parsed.data;
      return plain;
    }
  }
  return undefined;
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return bytes && JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
