import type { Artifact } from '@waybill/cache-client';
import { keyOf, weakDocument } from '../cache/key-document.js';
import { type CacheBuildOptions, findArtifact, withCacheBuilds } from './cache-build.js';
import type { CommandContext } from './command-context.js';

/** An artifact in few words. */
export interface ShownArtifact {
  /** sha256 of its manifest. */
  readonly artifact: string;
  readonly origin: string;
  readonly session: 'strict' | 'permissive' | 'none';
  readonly createdAt: string;
  readonly builtBy: string;
  readonly bytes: number;
  readonly files: number;
  /** sha256 of the record of its build. */
  readonly record: string | undefined;
}

/** What a part's next build would be found by. */
export interface ShownKey {
  readonly platform: string;
  readonly part: string;
  /** `undefined` while only its pull shows what it is made of. */
  readonly key: string | undefined;
  readonly weakKey: string | undefined;
  /** What the local cache has for it. */
  readonly artifact: ShownArtifact | undefined;
}

/**
 * Keys of parts, and what the local cache has for them.
 * @throws CraftError
 */
export async function cacheShow(command: CommandContext, options: CacheBuildOptions): Promise<ShownKey[]> {
  const shown = await withCacheBuilds(command, options, async (build) => {
    const rows: ShownKey[] = [];
    for (const part of build.parts) {
      const document = await build.keys.document(part);
      const found = document && (await findArtifact(build, part, document, 'find'));
      rows.push({
        platform: build.context.item.platform,
        part,
        key: document && keyOf(document),
        weakKey: document && keyOf(weakDocument(document)),
        artifact: found && describeArtifact(found),
      });
    }
    return rows;
  });
  return shown.flat();
}

/** @see ShownArtifact */
export function describeArtifact({
  manifest,
  blob,
  origin,
  bytes,
}: Pick<Artifact, 'manifest' | 'blob' | 'origin' | 'bytes'>): ShownArtifact {
  return {
    artifact: blob.sha256,
    origin: origin.remote,
    session: manifest['session-policy'] ?? 'none',
    createdAt: manifest['created-at'],
    builtBy: manifest['built-by'],
    bytes,
    files: manifest.files.filter(({ type }) => type !== 'directory').length,
    record: manifest.record?.sha256,
  };
}
