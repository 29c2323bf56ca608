import { createHash } from 'node:crypto';
import { emptyMetadata, type ReportArtifact, type ReportDownload, type ReportRefusal } from '@waybill/contracts';
import type { ControlAction, ControlCall, FetchAttempt, Reading, SessionHistory } from './history.js';
import type { Truth } from './truth.js';

/** Histories that never happened, for the tests of the model: a right one, of which each test breaks one thing. */
export const pinnedUrl = 'https://localhost:1/file';
export const indexUrl = 'https://localhost:1/npm/part';
export const tarballUrl = 'https://localhost:1/npm/part/-/part-1.0.0.tgz';

const digest = (algorithm: string, text: string) => createHash(algorithm).update(text).digest('hex');
export const sha256 = (text: string) => digest('sha256', text);
const bodies = ['file', 'other', 'index', 'tarball', 'hostile'];

export const truth: Truth = {
  pinned: new Map([[pinnedUrl, sha256('file')]]),
  indexes: new Map([[sha256('index'), new Map([[tarballUrl, digest('sha512', 'tarball')]])]]),
  isIndex: (url) => url === indexUrl,
  bodies: new Map(
    bodies.map((text) => [
      sha256(text),
      {
        size: text.length,
        sha512: digest('sha512', text),
        isSound: text !== 'hostile',
        bytes: Buffer.from(text),
      },
    ]),
  ),
  isTrusted: (url) => url.startsWith('https://git.example/'),
};

export function attempt(
  id: string,
  at: number,
  fields: Partial<FetchAttempt> & { readonly body?: string } = {},
): FetchAttempt {
  const { body = 'file', ...rest } = fields;
  return {
    id,
    session: 's',
    method: 'GET',
    url: pinnedUrl,
    begun: at,
    ended: at + 1,
    outcome: 'answered',
    status: 200,
    size: body.length,
    sha256: sha256(body),
    ...rest,
  };
}

export function call(action: ControlAction, at: number, status: number | undefined): ControlCall {
  return { action, begun: at, ended: at + 1, status };
}

export function download(id: string, fields: Partial<ReportDownload> = {}): ReportDownload {
  return {
    'start-time': '2026-01-01T00:00:00Z',
    'end-time': '2026-01-01T00:00:01Z',
    method: 'GET',
    url: pinnedUrl,
    address: '127.0.0.1:9',
    'user-agent': id,
    'request-header': {},
    'status-code': 200,
    status: '200 OK',
    'content-type': '',
    'response-header': {},
    result: 'Approved',
    delivery: 'held',
    ...fields,
  };
}

export function artifact(body: string, downloads: readonly ReportDownload[]): ReportArtifact {
  const approved = downloads.every(({ result }) => result === 'Approved');
  return {
    'artifact-metadata-version': '0',
    'request-inspection': {},
    'response-inspection': {},
    result: approved ? 'Approved' : 'Rejected',
    metadata: { ...emptyMetadata(), sha256: sha256(body), sha512: digest('sha512', body), size: body.length },
    'vouched-by': [],
    downloads: [...downloads],
  };
}

export function refusal(id: string, fields: Partial<ReportRefusal> = {}): ReportRefusal {
  return {
    time: '2026-01-01T00:00:01Z',
    phase: 'artifact',
    method: 'GET',
    url: pinnedUrl,
    address: '127.0.0.1:9',
    'user-agent': id,
    'status-code': 403,
    reason: '',
    delivered: false,
    'request-inspection': {},
    'response-inspection': {},
    ...fields,
  };
}

export function reading(at: number, report: Partial<Reading['report']>, kind: Reading['kind'] = 'report'): Reading {
  const whole = { artifacts: [], refusals: [], failures: [], responses: [], ...report };
  return { kind, begun: at, ended: at + 1, digest: sha256(JSON.stringify(whole)), report: whole };
}

export function session(fields: Partial<SessionHistory>): SessionHistory {
  return {
    id: 's',
    policy: 'strict',
    created: 0,
    mayExpire: false,
    attempts: [],
    calls: [],
    readings: [],
    events: [],
    exports: [],
    ...fields,
  };
}
