import { buffer } from 'node:stream/consumers';
import type { RequestNeed } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { field, JsonShapeError, list, objectOf, parseJson, textOf } from '../json-shape.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { type DeviceRequest, requestFault } from './device-requests.js';
import type { SnapStore } from './snap-store.js';

const answerBytes = 16 * 2 ** 20;

/** What is known of an answer once its shape is right. */
interface Answer {
  readonly name: string;
  readonly version?: string;
  readonly vendor?: string;
  readonly description?: string;
  readonly license?: string;
  readonly id?: string;
}

interface Kind {
  readonly id: string;
  /** Last part of the media type. */
  readonly type: string;
  isPath(path: string): boolean;
  /** What the device sends; undefined: the answer is fetched with GET. */
  readonly post?: DeviceRequest;
  readonly queryBytes?: number;
  read(document: Record<string, unknown>, path: string): Answer;
}

const infoPath = /^v2\/snaps\/info\/([a-z0-9-]{1,60})$/;

/**
 * Answers of a snap store that bring no package in: what they claim, assertions have to prove. Approved by trust in the configured
 * store when they have the shape of their kind. docs/inspectors/snap.info.md and its neighbours
 */
const kinds: readonly Kind[] = [
  {
    id: 'snap.info',
    type: 'snap-info',
    isPath: (path) => infoPath.test(path),
    queryBytes: 1024,
    read(document, path) {
      const [first] = list(field(document, 'channel-map'), 'channel-map');
      const version = textOf(field(objectOf(first, 'the first channel'), 'version'));
      const [name, id] = [textOf(field(document, 'name')), textOf(field(document, 'snap-id'))];
      if (version === '' || name === '' || id === '') throw new JsonShapeError('no version, name or snap-id');
      const asked = infoPath.exec(path)?.[1];
      if (name !== asked) throw new JsonShapeError(`asked for ${asked}, found ${JSON.stringify(name.slice(0, 100))}`);
      const snap = field(document, 'snap');
      const about = typeof snap === 'object' && snap !== null ? (snap as Record<string, unknown>) : {};
      return {
        name,
        version,
        id,
        license: textOf(field(about, 'license')),
        description: textOf(field(about, 'summary')),
      };
    },
  },
  {
    id: 'snap.sections',
    type: 'snap-sections',
    isPath: (path) => path === 'api/v1/snaps/sections',
    queryBytes: 256,
    read: (document) => embedded(document, 'clickindex:sections', 'snap sections'),
  },
  {
    id: 'snap.names',
    type: 'snap-names',
    isPath: (path) => path === 'api/v1/snaps/names',
    queryBytes: 256,
    read: (document) => embedded(document, 'clickindex:package', 'snap names'),
  },
  ...(
    [
      ['nonce', 'nonces', 'nonce', 'nothing'],
      ['request-id', 'request-id', 'request-id', 'nothing'],
      ['sessions', 'sessions', 'macaroon', 'session'],
    ] as const
  ).map(
    ([name, path, only, post]): Kind => ({
      id: `snap.auth-${name}`,
      type: `snapd-auth-${name}`,
      isPath: (found) => found === `api/v1/snaps/auth/${path}`,
      post,
      read(document) {
        const keys = Object.keys(document);
        if (keys.length !== 1 || keys[0] !== only || textOf(document[only]) === '') {
          throw new JsonShapeError(`expected one field, ${only}`);
        }
        return { name: `snapd ${name}` };
      },
    }),
  ),
];

/** Ids in the order of the registry: info; sections, names and what devices are let in with come behind the refresh. */
export function snapAnswers(store: SnapStore | undefined): readonly Inspector<string>[] {
  return kinds.map((kind) => snapAnswer(store, kind));
}

function snapAnswer(store: SnapStore | undefined, kind: Kind): Inspector<string> {
  return {
    id: kind.id,
    inspectRequest(request) {
      const path = store?.pathOf(request);
      if (path === undefined || !kind.isPath(path)) return undefined;
      const isMethod = kind.post ? request.method === 'POST' : request.method === 'GET' || request.method === 'HEAD';
      if (!isMethod) return rejectedRequest(`expected ${kind.post ? 'POST' : 'GET'}, found ${request.method}`);
      const fault = kind.post && requestFault(kind.post, request.body);
      if (fault !== undefined) return rejectedRequest(`not what a device sends: ${fault}`);
      const needs: RequestNeed[] = kind.post ? ['method', 'body'] : [];
      if (request.url.search !== '' && request.url.search.length <= (kind.queryBytes ?? 0)) needs.push('query');
      return { ...pending(`${kind.id} of the snap store`, path), needs, ...(kind.post && { secretAnswer: true }) };
    },
    async inspectArtifact(artifact, path, context) {
      if (path === undefined || !store) return undefined;
      context.signal.throwIfAborted();
      try {
        const document = objectOf(parseJson(await buffer(artifact.open()), answerBytes), 'the answer');
        const {
          name,
          version = '',
          vendor = store.host,
          description = '',
          license = '',
          id,
        } = kind.read(document, path);
        return approved(`${name} of the configured snap store`, {
          metadata: {
            type: `application/x.canonical.${kind.type}`,
            name,
            version,
            vendor,
            description,
            license,
            ...(id && { 'content-id': id }),
          },
          vouchedBy: [store.origin],
        });
      } catch (error) {
        if (!(error instanceof JsonShapeError)) throw error;
        return rejected(`${kind.id}: ${error.message}`);
      }
    },
  };
}

function embedded(document: Record<string, unknown>, key: string, name: string): Answer {
  const found = list(field(objectOf(field(document, '_embedded'), '_embedded'), key), key);
  if (found.length === 0) throw new JsonShapeError(`an empty list ${key}`);
  return { name };
}
