import type {
  ArtifactInspection,
  ArtifactView,
  InspectionContext,
  InspectorsConfig,
  VouchLink,
} from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { type DatabasePlace, type GoDatabase, goSettings, locateDatabase } from './configuration.js';
import { isModulePath, unescapePath } from './module-path.js';
import { parseHead, SumDatabaseError } from './sum-database.js';
import { brokenDatabaseHint, goSumKind, goSumParser, logOf, lookupBytes, openLookup, sumScope } from './sum-lookup.js';
import { tileBytes } from './tiles.js';

type Resource =
  | { readonly kind: 'lookup'; readonly module: string; readonly version: string }
  | { readonly kind: 'tile' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'supported' };

interface Expected {
  readonly place: DatabasePlace;
  readonly resource: Resource;
}

/**
 * Answers of checksum databases, directly or through a module proxy. A lookup is approved when the configured key signed the
 * tree and the record is proven to be in it; it vouches for go.mod and zip of its version. docs/inspectors/go.sumdb.md
 */
export function goSumdb(config: InspectorsConfig): Inspector<Expected> {
  const settings = goSettings(config);
  return {
    id: goSumKind,
    catalogs: [goSumParser],
    inspectRequest(request) {
      const located = locateDatabase(settings, request.normalizedUrl);
      const resource = located && parsePath(located.path);
      if (!located || !resource) return undefined;
      const { database } = located;
      const notes = {
        database: database.id,
        resource: resource.kind,
        ...(resource.kind === 'lookup' && { module: resource.module, version: resource.version }),
      };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of a checksum database: a build only reads it`, notes);
      }
      return pending(`${resource.kind} of ${database.id}`, { place: located, resource }, notes);
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      try {
        return await inspect(artifact, expected, context);
      } catch (error) {
        if (!(error instanceof SumDatabaseError)) throw error;
        return rejected(`${expected.place.database.verifier.name}: ${error.message}`, {
          hint: brokenDatabaseHint,
        });
      }
    },
  };
}

function parsePath(path: string): Resource | undefined {
  if (path === 'latest' || path === 'supported') return { kind: path };
  if (/^tile\/8\/(data|\d{1,2})\/(x\d{3}\/){0,4}\d{3}(\.p\/\d{1,3})?$/.test(path)) return { kind: 'tile' };
  const [, escaped = '', version = ''] = /^lookup\/([^@]+)@([^@/]{1,256})$/.exec(path) ?? [];
  const module = unescapePath(escaped);
  const plain = unescapePath(version);
  return module !== undefined && plain !== undefined && plain !== '' && isModulePath(module)
    ? { kind: 'lookup', module, version: plain }
    : undefined;
}

async function inspect(
  artifact: ArtifactView,
  { place, resource }: Expected,
  context: InspectionContext,
): Promise<ArtifactInspection> {
  const { database } = place;
  const { name } = database.verifier;
  const metadata = { type: `application/x.go.sumdb.${resource.kind}`, vendor: name, author: name };
  if (resource.kind === 'supported') {
    return approved(`${name} is handed on here`, {
      metadata: { ...metadata, name: 'supported' },
      vouchedBy: [{ kind: 'origin', id: database.id, name: place.url.host }],
    });
  }
  if (resource.kind === 'tile') return inspectTile(artifact, place, metadata);
  const text = await textOf(artifact, lookupBytes);
  if (resource.kind === 'latest') {
    const head = parseHead(text, database.verifier);
    await logOf(database).proveHead(head, (path) => context.companion(new URL(path, place.url), tileBytes));
    return approved(`the signed tree of ${head.size} records, one history with those seen before`, {
      metadata: { ...metadata, name: 'latest' },
      vouchedBy: [keyLink(database)],
      annotations: { 'tree-size': head.size },
    });
  }
  const { module, version } = resource;
  const lookup = await openLookup(text, place, context);
  const record = lookup.records.find((one) => one.module === module && one.version === version);
  // A query such as a branch is answered with the version that it stands for.
  if (!record && lookup.records.every((one) => one.module !== module)) {
    throw new SumDatabaseError(`expected checksums of ${module}@${version}, found others`);
  }
  return approved(`record ${lookup.index} is in the signed tree of ${lookup.head.size} records`, {
    metadata: { ...metadata, name: `checksums of ${module}`, version },
    vouchedBy: [keyLink(database)],
    provides: lookup.records.map((one) =>
      offerWithValue({ scope: sumScope(one.module, one.version), kind: goSumKind }, lookup.records),
    ),
    annotations: { record: lookup.index, 'tree-size': lookup.head.size },
  });
}

/** Hashes of the log: what is made of them is checked against a signed root, by us and by the client. */
function inspectTile(
  artifact: ArtifactView,
  { database, url }: DatabasePlace,
  metadata: Readonly<Record<string, string>>,
): ArtifactInspection {
  const { pathname } = artifact.request.url;
  const isData = pathname.includes('/tile/8/data/');
  const width = Number(/\.p\/(\d+)$/.exec(pathname)?.[1] ?? 256);
  if (!isData && artifact.size !== width * (tileBytes / 256)) {
    throw new SumDatabaseError(`expected a tile of ${width * (tileBytes / 256)} bytes, found ${artifact.size}`);
  }
  return approved(
    'a tile of the configured database: it proves itself against a signed tree, and nothing without one',
    {
      metadata: { ...metadata, name: `tile ${pathname.slice(pathname.indexOf('/tile/') + 6)}` },
      vouchedBy: [{ kind: 'origin', id: database.id, name: url.host }],
    },
  );
}

function keyLink({ verifier, id }: GoDatabase): VouchLink {
  return { kind: 'key', id: verifier.keyHash.toString('hex').toUpperCase(), name: `${verifier.name} (${id})` };
}

async function textOf(artifact: ArtifactView, maxBytes: number): Promise<string> {
  if (artifact.size > maxBytes) throw new SumDatabaseError(`an answer of more than ${maxBytes} bytes`);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of artifact.open() as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) throw new SumDatabaseError(`an answer of more than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
