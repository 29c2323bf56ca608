import type { IncomingMessage, ServerResponse } from 'node:http';
import { createThrowawayCa, type HttpUpstream, startHttpsUpstream, startHttpUpstream } from '@waybill/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import type { Session } from './harness/session.js';
import { openTunnel } from './harness/tunnel.js';
import { until } from './harness/until.js';

/** Promise 3: a session that is over moves no further byte, in tunnels that are open already as well. */
const keep = keepForFile();
let https: HttpUpstream;
let http: HttpUpstream;
let daemon: Daemon;

/** A body that never ends by itself; what is under way can be watched and broken off. */
const size = 400 * 2 ** 20;
const running = new Set<ServerResponse>();
let sent = 0;

beforeAll(async () => {
  const ca = await createThrowawayCa();
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/small') return void response.end('small');
    running.add(response);
    response.once('close', () => running.delete(response));
    response.writeHead(200, { 'content-length': size, 'content-type': 'application/octet-stream' });
    // A megabyte now, so that the download is under way, then a little at a time.
    response.write(Buffer.alloc(2 ** 20, 'a'));
    sent += 2 ** 20;
    const timer = setInterval(() => {
      response.write(Buffer.alloc(64 * 1024, 'b'));
      sent += 64 * 1024;
    }, 20);
    response.once('close', () => clearInterval(timer));
  };
  https = keep(await startHttpsUpstream(serve, { ca }));
  http = keep(await startHttpUpstream(serve));
  daemon = keep(await startDaemon({ upstreamCa: ca }));
});
afterEach(() => {
  for (const response of running) response.destroy();
});

const ends: readonly (readonly [string, number | undefined, (session: Session) => Promise<unknown>])[] = [
  ['revoked', undefined, (session) => session.revoke()],
  ['ended', undefined, (session) => session.end()],
  ['expired', 2, () => Promise.resolve()],
];

describe.each(['https', 'http'] as const)('%s: a running download', (scheme) => {
  it.each(ends)('stops when its session is %s', async (how, timeout, stop) => {
    const { url } = scheme === 'https' ? https : http;
    // Permissive bodies flow while they come in, so the client has bytes already.
    const session = await daemon.createSession('permissive', timeout === undefined ? {} : { timeout });
    const download = curl(session, `${url}/endless`, ['--max-time', '120']);
    await until('the download is under way', () => running.size === 1);
    await stop(session);
    const got = await download;
    expect([18, 35, 52, 56]).toContain(got.code);
    expect(got.body.length).toBeLessThan(size);
    // Neither does the proxy read on behind the client's back.
    await until('the proxy let go of the upstream', () => running.size === 0);

    expect(await curl(session, `${url}/again`)).toMatchObject(
      scheme === 'https' ? { connectStatus: 407 } : { status: 407 },
    );
    if (how === 'ended') return;
    const report = await until('the session is over', () => session.report().catch(() => undefined));
    expect(report.state).toBe(how);
    expect(report.artifacts).toEqual([]);
    expect(report.failures).toMatchObject([{ phase: 'session', url: `${url}/endless`, 'status-code': 0 }]);
  });
});

describe('an open tunnel', () => {
  it.each([
    ['revoked', (session: Session) => session.revoke()],
    ['ended', (session: Session) => session.end()],
  ])('takes no further request once its session is %s', async (_how, stop) => {
    const session = await daemon.createSession('permissive');
    const tunnel = keepForTest(await openTunnel(session, https.url));
    const before = await tunnel.get('/small');
    expect(before).toMatchObject({ isOpen: true, text: expect.stringMatching(/^HTTP\/1\.1 200 [\s\S]*small$/) });
    const requests = https.requests.length;
    await stop(session);
    const after = await tunnel.get('/small');
    expect(after.isOpen).toBe(false);
    expect(after.text).not.toContain('small');
    expect(https.requests.length).toBe(requests);
  });

  it('no byte is sent to a client after the answer to its revocation', async () => {
    const session = await daemon.createSession('permissive');
    const download = curl(session, `${https.url}/endless`, ['--max-time', '120']);
    await until('the download is under way', () => running.size === 1);
    expect((await session.revoke()).ok).toBe(true);
    const atRevocation = sent;
    const got = await download;
    expect(got.body.length).toBeLessThanOrEqual(atRevocation);
    const report = await session.report();
    expect(report.failures).toHaveLength(1);
    expect(Date.parse(report.failures[0]?.time ?? '')).toBeLessThanOrEqual(Date.parse(report['end-time']));
  });
});
