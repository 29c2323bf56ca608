import {
  createThrowawayCa,
  type HttpUpstream,
  startHttpsUpstream,
  startHttpUpstream,
  type ThrowawayCa,
} from '@waybill/testkit';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CurlResult, curl } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { sha256 } from './harness/report.js';
import { run } from './harness/run.js';
import type { Session } from './harness/session.js';

/** Who may use the proxy, and what it connects to (promises 1, 3, 6, 9). */
const keep = keepForFile();
let ca: ThrowawayCa;
let https: HttpUpstream;
let http: HttpUpstream;
let daemon: Daemon;
let strict: Session;

beforeAll(async () => {
  ca = await createThrowawayCa();
  https = keep(await startHttpsUpstream((_request, response) => void response.end('file'), { ca }));
  http = keep(await startHttpUpstream((_request, response) => void response.end('file')));
  const files = [`${https.url}/listed`, `${http.url}/listed`].map((url) => ({ url, sha256: sha256('file') }));
  daemon = keep(await startDaemon({ upstreamCa: ca, inspectors: { generic: { files } } }));
});
beforeEach(async () => {
  strict = await daemon.createSession('strict');
});

const bothSchemes = ['https', 'http'] as const;
const at = (scheme: 'https' | 'http', path = '/listed') => (scheme === 'https' ? https.url : http.url) + path;

/** 407, whichever request of the two that https takes is answered with it. */
function expectTurnedAway(scheme: 'https' | 'http', got: CurlResult): void {
  if (scheme === 'https') expect(got).toMatchObject({ code: 56, connectStatus: 407, status: 0 });
  else {
    expect(got).toMatchObject({ code: 0, status: 407, text: '407 Proxy Authentication Required' });
    expect(got.header('proxy-authenticate')).toBe('Basic realm=fetch-service');
  }
}

describe.each(bothSchemes)('%s: credentials', (scheme) => {
  it('right ones are let in', async () => {
    expect(await curl(strict, at(scheme))).toMatchObject({ code: 0, status: 200, text: 'file' });
  });

  it.each([
    ['none', () => ''],
    ['a wrong token', () => `${strict.id}:${'x'.repeat(20)}`],
    ['a token cut short', () => `${strict.id}:${strict.token.slice(0, -1)}`],
    ['an empty token', () => `${strict.id}:`],
    ['an unknown session', () => `${'0'.repeat(32)}:${strict.token}`],
    ['the control API’s', () => daemon.runtime.auth],
  ])('%s: 407, and nothing is sent upstream', async (_name, proxyUser) => {
    const before = https.requests.length + http.requests.length;
    expectTurnedAway(scheme, await curl(strict, at(scheme), [], { proxyUser: proxyUser() }));
    expect(https.requests.length + http.requests.length).toBe(before);
  });

  it.each([
    ['revoked', (session: Session) => session.revoke()],
    ['ended', (session: Session) => session.end()],
  ])('of a session that is %s: 407 (promise 3)', async (_name, stop) => {
    await stop(strict);
    expectTurnedAway(scheme, await curl(strict, at(scheme)));
  });
});

describe.each(bothSchemes)('%s: a URL that is not listed', (scheme) => {
  it('is refused with a useful text, stands in the report, and nobody upstream hears of it (promise 1)', async () => {
    const before = https.requests.length + http.requests.length;
    const url = at(scheme, '/other?a=b');
    const got = await curl(strict, url, ['--data', 'what the build would leak']);
    expect(got).toMatchObject({ code: 0, status: 403 });
    expect(got.text.startsWith('download authorization denied: request rejected by inspectors: ')).toBe(true);
    expect(got.text).toContain(`no inspector recognises ${url} `);
    expect(got.text).toContain('inspectors.yaml');
    expect(got.text.split('\n')).toHaveLength(2);
    expect(https.requests.length + http.requests.length).toBe(before);
    const report = await strict.finish();
    expect(report.refusals).toMatchObject([
      { method: 'POST', url, phase: 'request', delivered: false, 'status-code': 403 },
    ]);
    expect(report.artifacts).toEqual([]);
  });

  it('is delivered by a permissive session, which records what strict would have said (promise 4)', async () => {
    const permissive = await daemon.createSession('permissive');
    expect(await curl(permissive, at(scheme, '/other'))).toMatchObject({ status: 200, text: 'file' });
    const report = await permissive.finish();
    expect(report.artifacts).toMatchObject([{ result: 'Rejected', metadata: { sha256: sha256('file') } }]);
    expect(report.refusals).toMatchObject([{ phase: 'request', delivered: true, sha256: sha256('file') }]);
    expect(report.refusals[0]?.reason).toContain(`no inspector recognises ${at(scheme, '/other')}`);
  });
});

describe('sessions side by side', () => {
  it('have each their own list, token and report', async () => {
    const own = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const files = [{ url: `${https.url}/own-${n}`, sha256: sha256('file') }];
        const session = await daemon.createSession('strict', { 'inspectors-configuration': { generic: { files } } });
        return { session, mine: `/own-${n}`, others: `/own-${(n + 1) % 12}` };
      }),
    );
    await Promise.all(
      own.map(async ({ session, mine, others }) => {
        const [allowed, refused] = await Promise.all([mine, others].map((path) => curl(session, at('https', path))));
        expect([allowed?.status, refused?.status]).toEqual([200, 403]);
      }),
    );
    const [first, second] = own;
    const swapped = { proxyUser: `${first?.session.id}:${second?.session.token}` };
    expectTurnedAway('https', await curl(strict, at('https'), [], swapped));
    for (const { session, mine, others } of own) {
      const report = await session.finish();
      expect(report.artifacts.flatMap(({ downloads }) => downloads.map(({ url }) => url))).toEqual([at('https', mine)]);
      expect(report.refusals.map(({ url }) => url)).toEqual([at('https', others)]);
    }
  });
});

describe('destinations (promise 9)', () => {
  it('loopback is refused unless the access list allows it, before anything is connected', async () => {
    const closed = keepForTest(await startDaemon({ upstreamCa: ca, acl: 'http-proxy: {policy: allow}\n' }));
    const session = await closed.createSession('permissive');
    const connections = https.connections + http.connections;
    for (const scheme of bothSchemes) {
      const got = await curl(session, at(scheme));
      expect(got).toMatchObject({ status: 403 });
      expect(got.text).toMatch(/^Access denied: .*127\.0\.0\.1/);
    }
    expect(https.connections + http.connections).toBe(connections);
    const report = await session.finish();
    expect(report.refusals.map(({ phase }) => phase)).toEqual(['destination', 'destination']);
  });

  it.each([
    ['the metadata service', 'http://169.254.169.254/latest/meta-data/'],
    ['the same in another spelling', 'http://0xa9fea9fe/'],
    ['an unspecified address', 'http://0.0.0.0:1/'],
    ['IPv6 loopback mapped', 'http://[::ffff:169.254.169.254]/'],
  ])('%s is refused, in permissive sessions too', async (_name, url) => {
    const session = await daemon.createSession('permissive');
    expect(await curl(session, url)).toMatchObject({ status: 403, text: expect.stringMatching(/^Access denied: /) });
    expect((await session.finish()).refusals).toMatchObject([{ phase: 'destination', delivered: false }]);
  });

  it.each(['control-url', 'proxy-url'] as const)(
    'the daemon’s own %s is refused though loopback is allowed',
    async (name) => {
      const session = await daemon.createSession('permissive');
      const got = await curl(session, `${daemon.runtime[name]}/status`);
      expect(got).toMatchObject({ status: 403, text: expect.stringMatching(/^Access denied: /) });
    },
  );

  it('a Host field that names somebody else than CONNECT is refused', async () => {
    const session = await daemon.createSession('permissive');
    const got = await curl(session, at('https'), ['-H', 'Host: other.example']);
    expect(got.status).toBe(421);
    expect(got.text).toContain('"other.example"');
    expect((await session.finish()).refusals).toMatchObject([{ phase: 'protocol' }]);
  });

  it('the proxy answers no requests of its own', async () => {
    const got = await run('curl', ['--silent', '--disable', '--include', `${strict.proxyOrigin}/status`]);
    expect(got.stdout).toMatch(/^HTTP\/1\.1 407 /);
    const known = Buffer.from(`${strict.id}:${strict.token}`).toString('base64');
    const args = ['-H', `Proxy-Authorization: Basic ${known}`, `${strict.proxyOrigin}/status`];
    const asked = await run('curl', ['--silent', '--disable', '--include', ...args]);
    expect(asked.stdout).toMatch(/^HTTP\/1\.1 400 /);
    expect(asked.stdout).toContain('this is a proxy: it answers no requests of its own');
  });
});
