import { emptyMetadata, type ReportArtifact, type ReportRefusal, type ReportVouch } from '@waybill/contracts';

/** A report of a session that did nothing. `x-future` stands for keys that this version does not know. */
export function emptyReport(): Record<string, unknown> {
  return {
    generator: 'fetch-service 0.0.0',
    'session-id': 's1',
    'start-time': '2026-01-01T00:00:00.000Z',
    'end-time': '2026-01-01T00:00:10.000Z',
    inspectors: ['npm.tarball', 'default'],
    'spool-path': '/spool/s1',
    policy: 'strict',
    state: 'revoked',
    artifacts: [],
    refusals: [],
    failures: [],
    responses: [],
    'x-future': { kept: true },
  };
}

/** An artifact of a report. */
export function sampleArtifact(
  name: string,
  options: { inspector?: string; size?: number; chains?: ReportVouch[][]; result?: 'Approved' | 'Rejected' } = {},
): ReportArtifact {
  const { inspector = 'npm.tarball', size = 1000, chains = [], result = 'Approved' } = options;
  return {
    'artifact-metadata-version': '0.3',
    'request-inspection': { [inspector]: { opinion: 'Pending', reason: 'r' } },
    'response-inspection': { [inspector]: { opinion: result, reason: 'r' } },
    result,
    metadata: {
      ...emptyMetadata(),
      name,
      version: '1.0',
      description: 'd',
      type: 'application/gzip',
      sha1: 'a'.repeat(40),
      sha256: 'b'.repeat(64),
      size,
    },
    'vouched-by': chains,
    downloads: [
      {
        'start-time': '2026-01-01T00:00:01.000Z',
        'end-time': '2026-01-01T00:00:02.000Z',
        method: 'GET',
        url: `https://registry.example:443/${name}.tgz`,
        address: '127.0.0.1:1',
        'user-agent': 'npm',
        'request-header': {},
        'status-code': 200,
        status: '200 OK',
        'content-type': 'application/octet-stream',
        'response-header': {},
      },
    ],
  };
}

/** A refusal of a report. */
export function sampleRefusal(url: string, time: string, more: Partial<ReportRefusal> = {}): ReportRefusal {
  return {
    time,
    phase: 'request',
    method: 'GET',
    url,
    address: '127.0.0.1:1',
    'user-agent': 'curl',
    'status-code': 403,
    reason: 'no inspector claims this request',
    delivered: false,
    'request-inspection': {},
    'response-inspection': {},
    ...more,
  };
}
