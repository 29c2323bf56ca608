import type { Readable } from 'node:stream';
import type { CatalogParser, CatalogRef, InspectionContext } from '@waybill/contracts';
import { contentEncodingAttribute, removeContentEncoding } from '../content-encoding.js';
import { readFetchResult } from './fetch-result.js';
import type { FetchRequest } from './upload-request.js';

/** Kind of the "catalogs" that answers with a pack are: they lend objects to the packs that come after them. */
export const packKind = 'git.pack';

/** Scope of the packs of a repository. */
export function packScope(repository: string): string {
  return `${packKind}:${repository}`;
}

/** What is needed to take the pack out of its answer again. */
export function packAttributes(
  { version, sideBand }: FetchRequest,
  shallow: readonly string[],
): Record<string, string> {
  return { version, 'side-band': sideBand, shallow: shallow.join(' ') };
}

/** A pack that the session approved earlier. */
export interface EarlierPack {
  readonly shallow: readonly string[];
  /** The pack itself; closes the stream it comes from. */
  open(): AsyncGenerator<Buffer>;
}

/** The value is nothing: packs are read again only when a later one builds on them. */
export const packParser: CatalogParser<null> = {
  kind: packKind,
  async parse(bytes) {
    bytes.destroy();
    return null;
  },
  weigh: () => 200,
};

/** Packs of a repository that the session has, oldest first. */
export async function earlierPacks(context: InspectionContext, repository: string): Promise<EarlierPack[]> {
  const catalogs = await context.catalogs(packScope(repository));
  return catalogs.map(({ ref }) => ({
    shallow: (ref.attributes?.shallow ?? '').split(' ').filter(Boolean),
    open: () => openPack(ref, () => context.openArtifact(ref.sha256)),
  }));
}

async function* openPack({ attributes = {} }: CatalogRef, open: () => Readable): AsyncGenerator<Buffer> {
  const stream = removeContentEncoding(open(), attributes[contentEncodingAttribute]);
  try {
    const request = {
      version: attributes.version === '2' ? '2' : '0',
      sideBand: attributes['side-band'] === 'all' ? 'all' : attributes['side-band'] === 'none' ? 'none' : 'pack',
    } as const;
    const { pack } = await readFetchResult(stream, request);
    if (pack) yield* pack;
  } finally {
    stream.destroy();
  }
}
