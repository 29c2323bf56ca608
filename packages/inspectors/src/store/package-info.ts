import { buffer } from 'node:stream/consumers';
import type { CatalogParser, InspectorsConfig, VouchLink } from '@waybill/contracts';
import { urlMatcher } from '../allowed-url.js';
import type { Inspector } from '../inspector.js';
import { field, JsonShapeError, list, objectOf, parseJson, textOf } from '../json-shape.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';

/** One file that a store has of a package. */
export interface StoreRevision {
  readonly revision: string;
  readonly channel: string;
  /** Bytes; undefined when the store does not say. */
  readonly size: number | undefined;
}

/** What a store says of a package: the files that it stands for, by their sha3-384 in hex. */
export interface PackageInfo {
  readonly type: string;
  readonly name: string;
  readonly packageId: string;
  readonly publisher: string;
  readonly revisions: ReadonlyMap<string, StoreRevision>;
}

interface Expected {
  readonly type: string;
  readonly name: string;
  readonly origin: VouchLink;
}

export const storeInfoKind = 'store.info-api';
const answerBytes = 16 * 2 ** 20;
const maxQueryBytes = 1024;

const parser: CatalogParser<PackageInfo> = {
  kind: storeInfoKind,
  parse: async (bytes, ref) => readPackageInfo(await buffer(bytes), ref.attributes?.type ?? ''),
  weigh: ({ revisions }) => 500 + 400 * revisions.size,
};

/** What a craft store knows of a package. Vouches for the package's files by their sha3-384. docs/inspectors/store.info-api.md */
export function storeInfoApi(config: InspectorsConfig): Inspector<Expected> {
  const allowed = urlMatcher('store', config.store?.urls);
  return {
    id: storeInfoKind,
    catalogs: [parser],
    inspectRequest(request) {
      const [, type, name] = /^\/v2\/([a-z]{1,30})\/info\/([A-Za-z0-9_.+-]{1,200})$/.exec(request.url.pathname) ?? [];
      const origin = type !== undefined && name !== undefined ? allowed(request) : undefined;
      if (!origin || type === undefined || name === undefined) return undefined;
      const notes = { type, package: name };
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return rejectedRequest(`expected GET, found ${request.method}`, notes);
      const claim = pending(`${name} among the ${type} of the store`, { type, name, origin }, notes);
      const { length } = request.url.search;
      return length > 0 && length <= maxQueryBytes ? { ...claim, needs: ['query'] } : claim;
    },
    async inspectArtifact(artifact, expected) {
      if (!expected) return undefined;
      try {
        const info = readPackageInfo(await buffer(artifact.open()), expected.type);
        if (info.name !== expected.name)
          throw new JsonShapeError(`asked for ${expected.name}, found ${JSON.stringify(info.name)}`);
        const offer = { scope: storeInfoKind, kind: storeInfoKind, attributes: { type: expected.type } };
        return approved(`${info.name} with ${info.revisions.size} files, of the configured store`, {
          metadata: {
            type: 'application/x.canonical.store.info-api',
            name: info.name,
            vendor: info.publisher,
            'content-id': info.packageId,
          },
          vouchedBy: [expected.origin],
          provides: [offerWithValue(offer, info)],
          annotations: { name: info.name, type: info.type, 'package-id': info.packageId, publisher: info.publisher },
        });
      } catch (error) {
        if (!(error instanceof JsonShapeError)) throw error;
        return rejected(`what the store says of ${expected.name}: ${error.message}`);
      }
    },
  };
}

/** @throws JsonShapeError */
function readPackageInfo(bytes: Buffer, type: string): PackageInfo {
  const document = objectOf(parseJson(bytes, answerBytes), 'the answer');
  const about = ['package', 'result'].map((key) => inner(document, key)).find((one) => one !== undefined) ?? document;
  const publisher = textOf(field(inner(about, 'publisher') ?? inner(document, 'publisher') ?? {}, 'username'));
  const name = textOf(field(document, 'name')) || textOf(field(about, 'name'));
  const packageId =
    textOf(field(document, 'package-id')) || textOf(field(document, 'id')) || textOf(field(about, 'id'));
  if (name === '' || packageId === '' || publisher === '') throw new JsonShapeError('no name, package-id or publisher');
  const entries = list(field(document, 'channel-map'), 'channel-map');
  const revisions = new Map<string, StoreRevision>();
  for (const [index, entry] of entries.entries()) {
    const { url, digest, ...revision } = readEntry(objectOf(entry, 'a channel'));
    if (index === 0 && url === '') throw new JsonShapeError('the first channel has no download url');
    if (digest === '') continue;
    if (!/^[0-9a-f]{96}$/.test(digest))
      throw new JsonShapeError(`the sha3-384 ${JSON.stringify(digest.slice(0, 120))}`);
    revisions.set(digest, revision);
  }
  if (entries.length === 0) throw new JsonShapeError('no channels');
  return { type, name, packageId, publisher, revisions };
}

function readEntry(entry: Record<string, unknown>): StoreRevision & { readonly url: string; readonly digest: string } {
  const revision = inner(entry, 'revision');
  const download = inner(revision ?? {}, 'download') ?? inner(entry, 'download') ?? {};
  const size = field(download, 'size');
  return {
    url: textOf(field(download, 'url')),
    digest: (textOf(field(download, 'sha3-384')) || textOf(field(download, 'hash-sha3-384'))).toLowerCase(),
    revision: textOf(field(revision ?? entry, 'revision')),
    channel: textOf(field(inner(entry, 'channel') ?? {}, 'name')) || textOf(field(entry, 'channel')),
    size: Number.isSafeInteger(size) ? (size as number) : undefined,
  };
}

function inner(value: Readonly<Record<string, unknown>>, key: string): Record<string, unknown> | undefined {
  const found = field(value, key);
  return typeof found === 'object' && found !== null && !Array.isArray(found)
    ? (found as Record<string, unknown>)
    : undefined;
}
