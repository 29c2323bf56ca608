import {
  createThrowawayCa,
  fixedClock,
  type RawAnswer,
  startHttpsUpstream,
  startHttpUpstream,
  startRawUpstream,
  type ThrowawayCa,
} from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { type CurlResult, curl } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { sha256 } from './harness/report.js';

/** What goes wrong behind the proxy: the client is told, the report says so, and no part of a body becomes an artifact. */
const keep = keepForFile();
let ca: ThrowawayCa;
let daemon: Daemon;

beforeAll(async () => {
  ca = await createThrowawayCa();
  daemon = keep(await startDaemon({ upstreamCa: ca }));
});

const policies = ['strict', 'permissive'] as const;
type Policy = (typeof policies)[number];

/** Asks a session for a URL that it allows; what curl got and what the report says. */
async function ask(policy: Policy, url: string, limits: Record<string, unknown> = {}, file = sha256('whole')) {
  const session = await daemon.createSession(policy, {
    'inspectors-configuration': { generic: { files: [{ url: `${new URL(url).origin}/**`, sha256: file }] }, limits },
  });
  const got = await curl(session, url, ['--max-time', '60']);
  const report = await session.finish();
  return { got, report };
}

/** The client knows that it has nothing, and so does the report. */
function expectFailure(
  { got, report }: { got: CurlResult; report: Awaited<ReturnType<typeof ask>>['report'] },
  { status, text, url }: { status: number; text: RegExp; url: string },
): void {
  expect(got).toMatchObject({ code: 0, status });
  expect(got.text).toMatch(/^Cannot handle file downloads: /);
  expect(got.text).toMatch(text);
  expect(report.artifacts).toEqual([]);
  expect(report.failures).toMatchObject([{ phase: 'upstream', url, 'status-code': status, delivered: false }]);
  expect(report.failures[0]?.reason).toMatch(text);
}

describe.each(policies)('%s: the upstream cannot be had', (policy) => {
  it('nobody listens', async () => {
    const gone = await startRawUpstream(() => {});
    await gone.close();
    const url = `${gone.url}/file`;
    expectFailure(await ask(policy, url), { status: 502, text: /refused the connection/, url });
  });

  it('its name is unknown', async () => {
    const url = 'http://nowhere.invalid/file';
    expectFailure(await ask(policy, url), { status: 502, text: /nowhere\.invalid/, url });
  });

  it('its certificate is of a root that nobody trusts', async () => {
    const other = keepForTest(await startHttpsUpstream((_request, response) => void response.end('whole')));
    const url = `${other.url}/file`;
    const asked = await ask(policy, url);
    expectFailure(asked, { status: 502, text: /certificate/i, url });
    expect(other.requests).toEqual([]);
  });

  it('its certificate has expired', async () => {
    const old = await createThrowawayCa({ clock: fixedClock('2001-01-01T00:00:00Z') });
    const other = keepForTest(
      await startHttpsUpstream((_request, response) => void response.end('whole'), { ca: old }),
    );
    const url = `${other.url}/file`;
    expectFailure(await ask(policy, url), { status: 502, text: /certificate/i, url });
  });

  it('its certificate is for another host', async () => {
    const other = keepForTest(
      await startHttpsUpstream((_request, response) => void response.end('whole'), { ca, host: 'localhost' }),
    );
    // Nothing is sent as server name for an address, so it answers with its own certificate.
    const url = `https://127.0.0.1:${other.port}/file`;
    expectFailure(await ask(policy, url), { status: 502, text: /certificate|altnames/i, url });
  });

  it('it does not speak TLS', async () => {
    const plain = keepForTest(await startHttpUpstream((_request, response) => void response.end('whole')));
    const url = `https://localhost:${plain.port}/file`;
    expectFailure(await ask(policy, url), { status: 502, text: /no TLS with localhost:\d+/, url });
  });

  it('it does not speak HTTP', async () => {
    const odd = keepForTest(await startRawUpstream((socket) => socket.end('220 mail.example ready\r\n')));
    const url = `${odd.url}/file`;
    expectFailure(await ask(policy, url), { status: 502, text: /./, url });
  });

  it('it takes the request and says nothing', async () => {
    const silent = keepForTest(await startRawUpstream(() => {}));
    const url = `${silent.url}/file`;
    const asked = await ask(policy, url, { 'upstream-idle-timeout-ms': 300 });
    expectFailure(asked, { status: 504, text: /did not answer in time/, url });
  });
});

/** Bodies that end early, large enough to be under way already in a permissive session, and small ones. */
const truncations: readonly (readonly [string, number, RawAnswer])[] = [1_000, 3_000_000].flatMap((size) => {
  const half = 'x'.repeat(size / 2);
  return [
    [
      'a body with Content-Length',
      size,
      (socket) => socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${half}`),
    ],
    [
      'a chunked body',
      size,
      (socket) =>
        socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${half.length.toString(16)}\r\n${half}\r\n`),
    ],
    [
      'a chunked body, in the middle of a chunk',
      size,
      (socket) => socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${half}`),
    ],
  ] as const satisfies readonly (readonly [string, number, RawAnswer])[];
});

describe.each(policies)('%s: the upstream breaks off', (policy) => {
  it.each(truncations)('%s of %d bytes: never complete, never an artifact (promise 1)', async (_name, size, answer) => {
    const upstream = keepForTest(await startRawUpstream(answer));
    const url = `${upstream.url}/file`;
    const half = sha256('x'.repeat(size / 2));
    const { got, report } = await ask(policy, url, {}, half);
    // Either an error in the open, or a transfer that curl knows is not whole (18, 56).
    if (got.status === 502) expect(got.text).toMatch(/^Cannot handle file downloads: /);
    else expect([18, 56]).toContain(got.code);
    expect(report.artifacts).toEqual([]);
    expect(report.failures).toMatchObject([{ phase: 'upstream', url }]);
  });

  it('silence in the middle of a body', async () => {
    const upstream = keepForTest(
      await startRawUpstream((socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxxxxx')),
    );
    const { got, report } = await ask(policy, `${upstream.url}/file`, { 'upstream-idle-timeout-ms': 300 });
    expect(got.status).toBe(504);
    expect(report.artifacts).toEqual([]);
    expect(report.failures).toMatchObject([{ phase: 'upstream' }]);
  });
});

describe('a body larger than limits.artifact-bytes', () => {
  it.each(policies)('%s: refused, announced or not', async (policy) => {
    const upstream = keepForTest(
      await startHttpsUpstream(
        (request, response) => {
          if (request.url === '/announced') response.setHeader('content-length', '5');
          else response.flushHeaders();
          response.end('whole');
        },
        { ca },
      ),
    );
    for (const path of ['/announced', '/chunked']) {
      const { got, report } = await ask(policy, upstream.url + path, { 'artifact-bytes': 4 });
      expect(got.status).toBe(403);
      expect(got.text).toContain('larger than 4 bytes');
      expect(got.text).toContain('limits.artifact-bytes');
      expect(report.artifacts).toEqual([]);
      expect(report.refusals).toMatchObject([{ phase: 'artifact', delivered: false }]);
    }
  });
});
