import { buffer } from 'node:stream/consumers';
import type { InspectorsConfig, RequestNeed } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { locateImage, matchingRegistries, type OciRegistry, ociRegistries } from './registries.js';

interface Expected {
  readonly registry: OciRegistry;
  readonly kind: 'ping' | 'tags' | 'token';
  readonly name: string | undefined;
}

const answerBytes = 16 * 2 ** 20;

/**
 * What a registry says beside images: that it is there, tokens, lists of tags. Approved by trust in the configured places; no
 * image is among it. docs/inspectors/oci.registry.md
 */
export function ociRegistry(config: InspectorsConfig): Inspector<Expected> {
  const registries = ociRegistries(config);
  return {
    id: 'oci.registry',
    inspectRequest(request) {
      const located = locateImage(registries, request);
      const kind = located?.resource.kind;
      const expected: Expected | undefined =
        located && (kind === 'ping' || kind === 'tags')
          ? {
              registry: located.registry,
              kind,
              name: located.resource.kind === 'tags' ? located.resource.name : undefined,
            }
          : tokenService(registries, request);
      if (!expected) return undefined;
      const notes = { registry: expected.registry.id, resource: expected.kind };
      const isAllowed =
        request.method === 'GET' ||
        request.method === 'HEAD' ||
        (expected.kind === 'token' && request.method === 'POST');
      if (!isAllowed) return rejectedRequest(`${request.method} of ${expected.kind}: a build only reads images`, notes);
      const claim = pending(`${expected.kind} of ${expected.registry.id}`, expected, notes);
      const needs: RequestNeed[] = [];
      if (isUsualQuery(expected.kind, request.url)) needs.push('query');
      if (request.method === 'POST') {
        const fault = formFault(request.body);
        if (fault !== undefined) return rejectedRequest(`not a request for a token: ${fault}`, notes);
        needs.push('method', 'body');
      }
      return { ...claim, needs, ...(expected.kind === 'token' && { secretAnswer: true }) };
    },
    async inspectArtifact(artifact, expected) {
      if (!expected) return undefined;
      const { registry, kind, name } = expected;
      if (artifact.size > answerBytes) return rejected(`expected at most ${answerBytes} bytes, found ${artifact.size}`);
      const whole = await buffer(artifact.open());
      const fault = faultOf(kind, whole.toString('utf8'), name);
      if (fault) return rejected(`${kind} of ${registry.id}: ${fault}`);
      return approved(`${kind} of the configured registry ${registry.id}`, {
        metadata: { type: `application/x.oci.${kind}`, name: kind, vendor: registry.host },
        vouchedBy: [{ kind: 'origin', id: registry.id, name: registry.host }],
      });
    },
  };
}

/** What clients say in the query of these, and nothing else. Distribution: token authentication; listing tags. */
const queryKeys = {
  token: new Set(['service', 'scope', 'account', 'client_id', 'offline_token']),
  tags: new Set(['n', 'last']),
  ping: new Set<string>(),
};
const formKeys = new Set([
  ...['grant_type', 'service', 'client_id', 'access_type', 'scope'],
  ...['refresh_token', 'username', 'password'],
]);
const mostQueryBytes = 1024;
const mostFormBytes = 16 * 1024;

function isUsualQuery(kind: Expected['kind'], { search, searchParams }: URL): boolean {
  return (
    search !== '' &&
    search.length <= mostQueryBytes &&
    [...searchParams.keys()].every((key) => queryKeys[kind].has(key))
  );
}

/** @see Distribution documentation, "OAuth2 token authentication" */
function formFault(body: Uint8Array | undefined): string | undefined {
  const size = body?.length ?? 0;
  if (size > mostFormBytes) return `${size} bytes, at most ${mostFormBytes} are expected`;
  const strange = [...new URLSearchParams(Buffer.from(body ?? []).toString('utf8')).keys()].find(
    (key) => !formKeys.has(key),
  );
  return strange === undefined ? undefined : `the field ${JSON.stringify(strange.slice(0, 100))}`;
}

function tokenService(
  registries: readonly OciRegistry[],
  request: Parameters<typeof matchingRegistries>[2],
): Expected | undefined {
  const [registry] = matchingRegistries(registries, 'auth', request);
  return registry && { registry, kind: 'token', name: undefined };
}

function faultOf(kind: Expected['kind'], text: string, name: string | undefined): string | undefined {
  if (kind === 'ping' && /^(\{\s*\}|true|)$/.test(text.trim())) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'not JSON';
  }
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (kind === 'token') {
    return typeof (fields.token ?? fields.access_token) === 'string' ? undefined : 'no token';
  }
  if (kind === 'tags') {
    if (fields.name !== name)
      return `expected tags of ${name}, found ${JSON.stringify(String(fields.name).slice(0, 200))}`;
    return fields.tags === null || (Array.isArray(fields.tags) && fields.tags.every((tag) => typeof tag === 'string'))
      ? undefined
      : 'no tags';
  }
  return 'expected an empty answer';
}
