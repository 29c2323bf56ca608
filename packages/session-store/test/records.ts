import { hash } from 'node:crypto';
import {
  type CatalogRef,
  type DownloadRecord,
  emptyMetadata,
  type RefusalRecord,
  type ResponseRecord,
  type SessionRecord,
} from '@waybill/contracts';

/** A moment `ms` after a fixed one. */
export function moment(ms = 0): Date {
  return new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678) + ms);
}

export function sha(text: string): string {
  return hash('sha256', text);
}

export function sessionId(text: string): string {
  return hash('md5', text);
}

export function session(id: string, change: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id,
    tokenDigest: sha(`token of ${id}`),
    policy: 'strict',
    state: 'open',
    createdAt: moment(),
    expiresAt: moment(3_600_000),
    configuration: {
      npm: { registries: { default: 'https://registry.example/' } },
      z: [1, null, true],
      a: 'ä\u0000"\\',
    },
    secretPatterns: ['https://git.example:443/**'],
    ...change,
  };
}

function request(id: string) {
  return {
    sessionId: id,
    startedAt: moment(1),
    method: 'GET',
    url: 'https://registry.example:443/left-pad',
    address: '127.0.0.1:40000',
    userAgent: 'npm/11',
    requestHeader: { Accept: ['*/*'], 'X-Twice': ['one', 'two'] },
    requestInspection: { 'npm.tarball': { opinion: 'Pending', reason: 'tarball from a configured origin' } },
  } as const;
}

function response() {
  return {
    endedAt: moment(2),
    statusCode: 200,
    status: '200 OK',
    contentType: 'application/octet-stream',
    responseHeader: { 'Content-Type': ['application/octet-stream'] },
  } as const;
}

/** A download of the body `name`. */
export function download(id: string, name: string, change: Partial<DownloadRecord> = {}): DownloadRecord {
  return {
    kind: 'download',
    ...request(id),
    ...response(),
    metadata: { ...emptyMetadata(), name, version: '1.0.0', type: 'npm', sha256: sha(name), size: name.length },
    responseInspection: {
      'npm.tarball': {
        opinion: 'Approved',
        reason: 'manifest matches',
        annotations: { z: 1, a: ['x', null, { deep: true }] },
      },
    },
    result: 'Approved',
    delivery: 'held',
    vouchedBy: [
      { kind: 'artifact', sha256: sha('packument'), inspector: 'npm.packument', name: 'packument' },
      { kind: 'origin', id: 'npm.registries.default', name: 'registry.example' },
    ],
    provides: [],
    ...change,
  };
}

export function refusal(id: string, change: Partial<RefusalRecord> = {}): RefusalRecord {
  return {
    kind: 'refusal',
    ...request(id),
    phase: 'request',
    at: moment(3),
    statusCode: 403,
    reason: 'nobody knows this request',
    hint: 'add the origin to the configuration',
    inspector: 'default',
    delivered: false,
    responseInspection: {},
    ...change,
  };
}

export function response404(id: string, change: Partial<ResponseRecord> = {}): ResponseRecord {
  return {
    kind: 'response',
    ...request(id),
    ...response(),
    statusCode: 404,
    status: '404 Not Found',
    responseTrailer: { 'X-End': ['1'] },
    delivery: 'withheld',
    note: 'body of status 404 withheld',
    result: 'Rejected',
    sha256: sha('not found'),
    size: 9,
    ...change,
  };
}

export function catalog(name: string, change: Partial<CatalogRef> = {}): CatalogRef {
  return {
    scope: 'npm.packument:npm.registries.default:left-pad',
    kind: 'npm.packument',
    sha256: sha(name),
    inspector: 'npm.packument',
    url: 'https://registry.example:443/left-pad',
    name,
    ...change,
  };
}
