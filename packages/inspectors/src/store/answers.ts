import { buffer } from 'node:stream/consumers';
import type { InspectorsConfig, RequestNeed, VouchLink } from '@waybill/contracts';
import { urlMatcher } from '../allowed-url.js';
import type { Inspector } from '../inspector.js';
import { field, JsonShapeError, list, objectOf, parseJson, textOf } from '../json-shape.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';

interface Kind {
  readonly id: string;
  readonly path: RegExp;
  /** Whether clients ask with a body. */
  readonly isPost: 'always' | 'maybe';
  /** @returns a name for the report. @throws JsonShapeError */
  read(document: Record<string, unknown>): string;
}

const answerBytes = 16 * 2 ** 20;
const requestBytes = 64 * 1024;
const namespaces = new Set(['bin', 'charm', 'rock', 'snap']);
const statuses = new Set(['ok', 'error']);

const kinds: readonly Kind[] = [
  {
    id: 'store.resolve-api',
    path: /^\/v2\/revisions\/resolve$/,
    isPost: 'always',
    read(document) {
      const results = ['craft-results', 'package-results'].flatMap((key) => {
        const found = field(document, key);
        return found === undefined || found === null ? [] : list(found, key);
      });
      if (results.length === 0) throw new JsonShapeError('no craft-results and no package-results');
      for (const entry of results) {
        const one = objectOf(entry, 'a result');
        const [namespace, status] = [textOf(field(one, 'namespace')), textOf(field(one, 'status'))];
        if (!namespaces.has(namespace))
          throw new JsonShapeError(`the namespace ${JSON.stringify(namespace.slice(0, 100))}`);
        if (!statuses.has(status)) throw new JsonShapeError(`the status ${JSON.stringify(status.slice(0, 100))}`);
      }
      return 'resolved revisions';
    },
  },
  {
    id: 'store.transforms-api',
    path: /^\/v1\/craft\/workspaces\/[A-Za-z0-9_-]{1,100}\/transforms$/,
    isPost: 'maybe',
    read(document) {
      const workspace = textOf(field(document, 'workspace-id'));
      if (workspace === '') throw new JsonShapeError('no workspace-id');
      for (const entry of list(field(document, 'transforms'), 'transforms')) {
        const type = textOf(field(objectOf(field(objectOf(entry, 'a transform'), 'package'), 'a package'), 'type'));
        if (type !== 'bin') throw new JsonShapeError(`a package of the type ${JSON.stringify(type.slice(0, 100))}`);
      }
      return `transforms of ${workspace}`;
    },
  },
];

/** Answers of a craft store that bring no package in. docs/inspectors/store.resolve-api.md, store.transforms-api.md */
export function storeAnswers(config: InspectorsConfig): readonly Inspector<VouchLink>[] {
  const allowed = urlMatcher('store', config.store?.urls);
  return kinds.map((kind) => ({
    id: kind.id,
    inspectRequest(request) {
      const origin = kind.path.test(request.url.pathname) ? allowed(request) : undefined;
      if (!origin) return undefined;
      const isPost = request.method === 'POST';
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      if (!isPost && (kind.isPost === 'always' || !isRead)) return rejectedRequest(`${request.method} of ${kind.id}`);
      const fault = isPost ? questionFault(request.body) : undefined;
      if (fault !== undefined) return rejectedRequest(`not a question to the store: ${fault}`);
      const needs: RequestNeed[] = isPost ? ['method', 'body'] : [];
      return { ...pending(`${kind.id} of the store`, origin), needs };
    },
    async inspectArtifact(artifact, origin) {
      if (!origin) return undefined;
      try {
        const name = kind.read(objectOf(parseJson(await buffer(artifact.open()), answerBytes), 'the answer'));
        return approved(`${name}, of the configured store`, {
          metadata: { type: `application/x.canonical.${kind.id}`, name, vendor: artifact.request.url.hostname },
          vouchedBy: [origin],
        });
      } catch (error) {
        if (!(error instanceof JsonShapeError)) throw error;
        return rejected(`${kind.id}: ${error.message}`);
      }
    },
  }));
}

function questionFault(body: Uint8Array | undefined): string | undefined {
  try {
    objectOf(parseJson(Buffer.from(body ?? []), requestBytes), 'the body');
    return undefined;
  } catch (error) {
    if (!(error instanceof JsonShapeError)) throw error;
    return error.message;
  }
}
