import { buffer } from 'node:stream/consumers';
import type { ArtifactView, CatalogParser, InspectionContext, InspectorsConfig, VouchLink } from '@waybill/contracts';
import { FormatProblem } from '../apt/format-problem.js';
import { fingerprintOf, nameOf } from '../apt/key-ring.js';
import {
  checkClearsigned,
  checkDetached,
  maxSignatureBytes,
  readClearsigned,
  type SignatureCheck,
} from '../apt/open-pgp.js';
import type { Inspector } from '../inspector.js';
import { field, JsonShapeError, objectOf, parseJson, textOf } from '../json-shape.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { type ImageItem, readProducts } from './products.js';
import { type LxdServer, locateImage, lxdServers } from './servers.js';

export const productsKind = 'lxd.simple-streams.download';

/** Scope of the catalogs of a server. */
export function productsScope({ id }: LxdServer): string {
  return `${productsKind}:${id}`;
}

interface Expected {
  readonly server: LxdServer;
  /** What lies before `streams/v1/`, below the server: item paths begin there. */
  readonly root: string;
  readonly isSigned: boolean;
}

/** Catalogs of all releases have some ten million bytes; they are parsed in one go. */
const catalogBytes = 48 * 2 ** 20;
const place = /^((?:[^/]+\/)*)streams\/v1\/([^/]{1,200})\.(s?json)$/;

const parser: CatalogParser<readonly ImageItem[]> = {
  kind: productsKind,
  async parse(bytes, ref) {
    return readProducts(
      parseJson(await contentOf(await buffer(bytes), ref.attributes?.signed === 'yes'), catalogBytes),
    );
  },
  weigh: (items) => 300 * items.length + 500,
};

/** What catalogs a server has. docs/inspectors/lxd.simple-streams.index.md */
export function lxdIndex(config: InspectorsConfig): Inspector<Expected> {
  return streamInspector(config, {
    id: 'lxd.simple-streams.index',
    isMine: (name) => name === 'index',
    read(document, { server }) {
      const root = objectOf(document, 'the index');
      const format = textOf(field(root, 'format'));
      if (format !== 'index:1.0')
        throw new JsonShapeError(`expected the format index:1.0, found ${JSON.stringify(format)}`);
      const entries = Object.entries(objectOf(field(root, 'index'), 'index'));
      for (const [name, value] of entries) {
        const entry = objectOf(value, name.slice(0, 100));
        const [kind, type] = [textOf(field(entry, 'format')), textOf(field(entry, 'datatype'))];
        if (kind !== 'products:1.0' || type !== 'image-downloads') {
          throw new JsonShapeError(
            `${JSON.stringify(name.slice(0, 100))} is ${kind || 'nothing'} of ${type || 'nothing'}, expected products:1.0 of image-downloads`,
          );
        }
      }
      return {
        reason: `${entries.length} catalogs of ${server.host}`,
        metadata: { type: 'application/x.canonical.simplestreams-index', name: 'index', vendor: server.host },
        provides: [],
      };
    },
  });
}

/** A catalog of images. Vouches for their files by sha256. docs/inspectors/lxd.simple-streams.download.md */
export function lxdDownload(config: InspectorsConfig): Inspector<Expected> {
  return streamInspector(config, {
    id: productsKind,
    catalogs: [parser],
    isMine: (name) => /:(?:[^:]+:)?download$/.test(name),
    read(document, { server, root, isSigned }, artifact) {
      const items = readProducts(document);
      const offer = {
        scope: productsScope(server),
        kind: productsKind,
        attributes: { root, ...(isSigned && { signed: 'yes' }) },
      };
      return {
        reason: `${items.length} files of images of ${server.host}`,
        metadata: {
          type: 'application/x.canonical.simplestreams-products',
          name: artifact.request.url.pathname.split('/').at(-1) ?? '',
          version: textOf(field(document as Record<string, unknown>, 'updated')),
          vendor: server.host,
        },
        provides: [offerWithValue(offer, items)],
      };
    },
  });
}

interface Stream {
  readonly id: string;
  readonly catalogs?: readonly CatalogParser[];
  isMine(name: string): boolean;
  read(
    document: unknown,
    expected: Expected,
    artifact: ArtifactView,
  ): { reason: string; metadata: Record<string, string>; provides: ReturnType<typeof offerWithValue>[] };
}

function streamInspector(config: InspectorsConfig, stream: Stream): Inspector<Expected> {
  const servers = lxdServers(config);
  return {
    id: stream.id,
    ...(stream.catalogs && { catalogs: stream.catalogs }),
    inspectRequest(request) {
      const located = locateImage(servers, request);
      const [, root = '', name = '', ending] = place.exec(located?.path ?? '') ?? [];
      if (!located || !stream.isMine(name)) return undefined;
      const { server } = located;
      const notes = { server: server.id, stream: root };
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return rejectedRequest(`${request.method} of a catalog`, notes);
      if (!server.isTls && !server.keys) {
        return rejectedRequest(
          `${server.id} is plain http and has no public-key: nothing would stand for its catalogs`,
          {
            ...notes,
            hint: `write https in ${server.id}.url, or add the public-key that its catalogs are signed by`,
          },
        );
      }
      return pending(`${name} of ${server.id}`, { server, root, isSigned: ending === 'sjson' }, notes);
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      try {
        if (artifact.size > catalogBytes) throw new JsonShapeError(`more than ${catalogBytes} bytes`);
        const bytes = await buffer(artifact.open());
        const vouchedBy = await checkSignature(bytes, { artifact, expected, context });
        const document = parseJson(await contentOf(bytes, expected.isSigned), catalogBytes);
        const { reason, ...details } = stream.read(document, expected, artifact);
        return approved(reason, { ...details, vouchedBy });
      } catch (error) {
        if (!(error instanceof JsonShapeError) && !(error instanceof FormatProblem)) throw error;
        return rejected(`${stream.id}: ${error.message}`);
      }
    },
  };
}

/** The text inside a clearsigned catalog, or the bytes themselves. */
async function contentOf(bytes: Buffer, isSigned: boolean): Promise<Buffer> {
  return isSigned ? Buffer.from((await readClearsigned(bytes)).text) : bytes;
}

interface Signed {
  readonly artifact: ArtifactView;
  readonly expected: Expected;
  readonly context: InspectionContext;
}

/** Who stands for a catalog: a configured key, or the server over TLS where none is configured. */
async function checkSignature(bytes: Buffer, { artifact, expected, context }: Signed): Promise<VouchLink[]> {
  const { server, isSigned } = expected;
  if (!server.keys) return [server.origin];
  const ring = await server.keys();
  let check: SignatureCheck;
  if (isSigned) check = await checkClearsigned((await readClearsigned(bytes)).message, ring, context.now);
  else {
    const url = new URL(artifact.request.url);
    url.pathname += '.gpg';
    const signature = await context.companion(url, maxSignatureBytes);
    if (!signature) throw new FormatProblem(`${server.id} has a public-key, and the server has no ${url.pathname}`);
    check = await checkDetached(bytes, signature, ring, context.now);
  }
  if (!check.valid) throw new FormatProblem(`its signature does not count: ${check.reason}`);
  return check.signers.map(({ key }): VouchLink => ({ kind: 'key', id: fingerprintOf(key), name: nameOf(key) }));
}
