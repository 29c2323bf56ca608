import { type Timestamp, timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { CacheBlob, CacheEntry, CacheNamespace } from '@waybill/cache-store';
import type {
  Fetch,
  FetchBlobRequest,
  FetchDirectoryRequest,
  Push,
  PushBlobRequest,
  PushDirectoryRequest,
} from '../gen/build/bazel/remote/asset/v1/remote_asset_pb.js';
import { DigestFunction_Value } from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import type { Serving } from '../serving/serving.js';
import { assetKeys, uriOfKey } from './asset-key.js';
import { callerOf, enter } from './calls.js';
import { checkDigestFunction, invalid, readDigest, toDigest } from './digest.js';
import { treeBlobs } from './directories.js';

/** The kind is kept with the name: some bytes are a blob of one type and a directory of another. */
type AssetKind = 'asset-blob' | 'asset-directory';

const maxReferences = 100_000;

/** Content by URI. Nothing is fetched from elsewhere: what was not pushed is not there. */
export function createFetch(serving: Serving): ServiceImpl<typeof Fetch> {
  return {
    async fetchBlob(request, context) {
      const entry = await fetchAsset(serving, context, { kind: 'asset-blob', request });
      return { ...answerOf(entry, request), blobDigest: toDigest(entry.value) };
    },
    async fetchDirectory(request, context) {
      const entry = await fetchAsset(serving, context, { kind: 'asset-directory', request });
      return { ...answerOf(entry, request), rootDirectoryDigest: toDigest(entry.value) };
    },
  };
}

/** Names for content that is here: all URIs of a request at once or none, each holding all that the content needs. */
export function createPush(serving: Serving): ServiceImpl<typeof Push> {
  return {
    async pushBlob(request, context) {
      await pushAsset(serving, context, { kind: 'asset-blob', request, digest: request.blobDigest });
      return {};
    },
    async pushDirectory(request, context) {
      await pushAsset(serving, context, { kind: 'asset-directory', request, digest: request.rootDirectoryDigest });
      return {};
    },
  };
}

/** A miss is the status of the call: BuildStream 1 takes one inside the answer for a hit. */
async function fetchAsset(
  serving: Serving,
  context: HandlerContext,
  { kind, request }: { readonly kind: AssetKind; readonly request: FetchBlobRequest | FetchDirectoryRequest },
): Promise<CacheEntry> {
  await callerOf(serving, context);
  // Before rights: with an empty question BuildStream asks whether this API is spoken.
  const keys = assetKeys(request.uris, request.qualifiers);
  const { space } = await enter(serving, context, { instance: request.instanceName, right: 'read' });
  checkDigestFunction(request.digestFunction);
  const entry = await findAsset(space, kind, { keys, oldest: request.oldestContentAccepted });
  if (entry) {
    serving.metrics.hit('asset', space.name);
    return entry;
  }
  serving.metrics.miss('asset', space.name);
  throw new ConnectError('none of the uris is known here', Code.NotFound);
}

async function findAsset(
  space: CacheNamespace,
  kind: AssetKind,
  { keys, oldest }: { readonly keys: readonly string[]; readonly oldest: Timestamp | undefined },
): Promise<CacheEntry | undefined> {
  if (!oldest) return await space.lookup(kind, keys);
  const limit = timestampDate(oldest);
  for (const key of keys) {
    const entry = await space.lookup(kind, [key]);
    if (entry && entry.createdAt >= limit) return entry;
  }
  return undefined;
}

function answerOf(entry: CacheEntry, { uris, qualifiers }: FetchBlobRequest | FetchDirectoryRequest) {
  return {
    status: { code: 0 },
    uri: uriOfKey(entry.key, uris, qualifiers),
    qualifiers,
    digestFunction: DigestFunction_Value.SHA256,
    ...(entry.expiresAt ? { expiresAt: timestampFromDate(entry.expiresAt) } : {}),
  };
}

interface PushedAsset {
  readonly kind: AssetKind;
  readonly request: PushBlobRequest | PushDirectoryRequest;
  readonly digest: PushBlobRequest['blobDigest'];
}

async function pushAsset(serving: Serving, context: HandlerContext, { kind, request, digest }: PushedAsset) {
  await callerOf(serving, context);
  const keys = assetKeys(request.uris, request.qualifiers);
  const { space, writer } = await enter(serving, context, { instance: request.instanceName, right: 'write' });
  checkDigestFunction(request.digestFunction);
  const value = readDigest(digest, 'the content');
  const expiresAt = expiryOf(request.expireAt);
  const references = await referencesOf(space, request, kind === 'asset-directory' ? [value] : []);
  const outcome = await space.publish(
    {
      kind,
      keys,
      value,
      references: references.filter(({ sha256 }) => sha256 !== value.sha256),
      metadata: request.qualifiers.length > 0 ? { qualifiers: pairsOf(request) } : {},
      ...(expiresAt ? { expiresAt } : {}),
    },
    writer,
  );
  if (outcome === 'exists') {
    throw new ConnectError('one of the uris has other content, which may not be replaced here', Code.AlreadyExists);
  }
}

/** What the client lists, and all that is below the directories among it. */
async function referencesOf(
  space: CacheNamespace,
  { referencesBlobs, referencesDirectories }: PushBlobRequest | PushDirectoryRequest,
  more: readonly CacheBlob[],
): Promise<readonly CacheBlob[]> {
  const count = referencesBlobs.length + referencesDirectories.length;
  if (count > maxReferences) throw invalid(`${count} references, at most ${maxReferences} are taken`);
  const found = new Map<string, CacheBlob>();
  const add = (blob: CacheBlob) => {
    const known = found.get(blob.sha256);
    if (known && known.size !== blob.size) throw invalid(`${blob.sha256} has ${known.size} and ${blob.size} bytes`);
    found.set(blob.sha256, blob);
  };
  for (const digest of referencesBlobs) add(readDigest(digest, 'a reference'));
  const roots = [...more, ...referencesDirectories.map((digest) => readDigest(digest, 'a reference'))];
  for (const root of roots) for (const blob of await treeBlobs(space, root)) add(blob);
  return [...found.values()];
}

function expiryOf(timestamp: Timestamp | undefined): Date | undefined {
  if (!timestamp) return undefined;
  const at = timestampDate(timestamp);
  if (Number.isNaN(at.getTime())) throw invalid('expire_at is no time');
  return at;
}

function pairsOf({ qualifiers }: PushBlobRequest | PushDirectoryRequest) {
  const pairs = qualifiers.map(({ name, value }) => ({ name, value }));
  if (JSON.stringify(pairs).length > 32 * 1024) throw invalid('qualifiers of more than 32 KiB');
  return pairs;
}
