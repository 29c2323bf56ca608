import { readdirSync } from 'node:fs';
import { Server } from 'node:net';
import { startHttpsUpstream, startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { askConnect, dial, exchange, fetchThrough, openTunnel, readAll } from './client.js';
import { startTestProxy, type TestProxy } from './harness.js';
import { until } from './until.js';

/** Every line of specs/engine-hazards.md, section Security, under its name. */
describe('engine hazards: security', () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function start(): Promise<{ at: TestProxy; upstream: Awaited<ReturnType<typeof startHttpsUpstream>> }> {
    const upstream = await startHttpsUpstream((_request, response) => void response.end('body'));
    const at = await startTestProxy({ upstreamCa: upstream.ca });
    closing.push(at.close, upstream.close);
    return { at, upstream };
  }

  it('per-host https servers on loopback ports: no second listener exists', async () => {
    const { at, upstream } = await start();
    const session = at.session();
    const listen = vi.spyOn(Server.prototype, 'listen');
    // client sends: requests to two hosts
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).text).toBe('body');
    await openTunnel(at, session, 'other.example:443');
    // the machine sees: nothing new listens
    expect(listen).not.toHaveBeenCalled();
  });

  it.each(['constructor:443', '__proto__:443', 'CONSTRUCTOR:443'])(
    'CONNECT %s: 400, and the process lives',
    async (authority) => {
      const { at, upstream } = await start();
      const session = at.session();
      const socket = await dial(at);
      const rest = readAll(socket);
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
      expect((await rest).text).toMatch(/^HTTP\/1\.1 400 /);
      expect((await fetchThrough(at, session, `${upstream.url}/a`)).text).toBe('body');
    },
  );

  it('CONNECT toString:443 is a host like any other, and the process lives', async () => {
    const { at, upstream } = await start();
    const session = at.session();
    expect(await askConnect(await dial(at), session, 'toString:443')).toMatch(/^HTTP\/1\.1 200 /);
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).text).toBe('body');
  });

  it.each(['../../../x:443', '..%2f..%2fx:443', 'a/../../x:443', '.x:443', 'a..b:443', '-a.example:443'])(
    'CONNECT %s: 400; host names are validated before any use',
    async (authority) => {
      const { at } = await start();
      const session = at.session();
      const socket = await dial(at);
      const rest = readAll(socket);
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
      expect((await rest).text).toMatch(/^HTTP\/1\.1 400 /);
    },
  );

  it.each([
    'foo:99999',
    'foo:',
    '%00:443',
    'foo',
    ':443',
    'foo:0',
    'foo:44x',
    'foo:443:443',
    '[::1:443',
    '[fe80::1%25eth0]:443',
    '2130706433:443',
    '0x7f.1:443',
  ])('CONNECT %s: 400 with the reason', async (authority) => {
    const { at } = await start();
    const session = at.session();
    const socket = await dial(at);
    const rest = readAll(socket);
    // client sends
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    // client gets
    const { text } = await rest;
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*\r\n\r\nCannot handle requests: ".*": /);
    // report says
    const [refusal] = (await at.report(session)).refusals;
    expect(refusal).toMatchObject({ phase: 'protocol', method: 'CONNECT', statusCode: 400, delivered: false });
  });

  it('request inside the tunnel with another Host: 421, recorded; the destination is the CONNECT authority only', async () => {
    const { at, upstream } = await start();
    const other = await startHttpUpstream((_request, response) => void response.end('secret of another host'));
    closing.push(other.close);
    const session = at.session();
    const tunnel = await openTunnel(at, session, `localhost:${upstream.port}`);
    // client sends
    const answer = await exchange(tunnel, { path: '/a', host: `127.0.0.1:${other.port}` });
    // client gets
    expect(answer.status).toBe(421);
    expect(answer.headers.connection).toBe('close');
    // upstreams see
    expect([upstream.requests.length, other.requests.length]).toEqual([0, 0]);
    // report says
    expect((await at.report(session)).refusals).toMatchObject([{ phase: 'protocol', statusCode: 421, method: 'GET' }]);
  });

  it.each([
    ['several Host fields', 'GET / HTTP/1.1\r\nHost: localhost:PORT\r\nHost: evil.example\r\n\r\n', 400],
    ['no Host field', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['another port in Host', 'GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n', 421],
    ['the default port in Host', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 421],
    ['absolute form to another host', 'GET https://evil.example/ HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n', 421],
    ['absolute form over http', 'GET http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n', 421],
    ['user info that would become the host', 'GET @evil.example/ HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n', 400],
    ['CONNECT inside the tunnel', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n', 405],
    ['TRACE, which would show injected credentials', 'TRACE / HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n', 405],
  ])('request inside the tunnel with %s: refused and recorded', async (_name, request, status) => {
    const { at, upstream } = await start();
    const session = at.session();
    const tunnel = await openTunnel(at, session, `localhost:${upstream.port}`);
    const rest = readAll(tunnel);
    tunnel.write(request.replaceAll('PORT', String(upstream.port)));
    expect((await rest).text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(upstream.requests).toEqual([]);
    expect((await at.report(session)).refusals).toMatchObject([{ phase: 'protocol' }]);
  });

  it('SNI other than the CONNECT host: 421, recorded', async () => {
    const { at, upstream } = await start();
    const session = at.session();
    const answer = await fetchThrough(at, session, `${upstream.url}/a`, { serverName: 'evil.example' });
    expect(answer.status).toBe(421);
    expect(upstream.requests).toEqual([]);
    const [refusal] = (await at.report(session)).refusals;
    expect(refusal?.reason).toContain('the TLS handshake "evil.example"');
  });

  it('CA and leaf keys on disk: nothing of the library is written anywhere', async () => {
    const { at, upstream } = await start();
    await fetchThrough(at, at.session(), `${upstream.url}/a`);
    expect(readdirSync(process.cwd()).filter((name) => name.includes('mitm'))).toEqual([]);
  });

  it('its CA and leaves under strict X.509 rules: the leaf that a client sees is ours', async () => {
    const { at, upstream } = await start();
    const tunnel = await openTunnel(at, at.session(), `localhost:${upstream.port}`);
    const leaf = tunnel.getPeerX509Certificate();
    expect(leaf?.publicKey.asymmetricKeyType).toBe('ec');
    expect(leaf?.checkHost('localhost')).toBe('localhost');
    tunnel.destroy();
  });

  it.each([
    ['garbage', Buffer.from('\x00\x01\x02 not http at all\r\n\r\n')],
    ['bad HTTP', Buffer.from('GET / HTTP/9.9\r\n\r\n')],
    [
      'a length and chunks at once',
      Buffer.from('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    ],
    ['a header line without colon', Buffer.from('GET / HTTP/1.1\r\nHost\r\n\r\n')],
    ['spaces before the colon', Buffer.from('GET / HTTP/1.1\r\nHost : x\r\n\r\n')],
  ])('%s inside TLS: closed, bounded, recorded', async (_name, bytes) => {
    const { at, upstream } = await start();
    const session = at.session();
    const tunnel = await openTunnel(at, session, `localhost:${upstream.port}`);
    const rest = readAll(tunnel);
    tunnel.write(bytes);
    expect((await rest).text).toMatch(/^HTTP\/1\.1 400 /);
    await until(() => at.store.records.length > 0);
    expect((await at.report(session)).refusals).toMatchObject([{ phase: 'protocol', statusCode: 400 }]);
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(200);
  });

  it.each([
    ['garbage', '\x00\x01\x02 not TLS\r\n\r\n'],
    ['another protocol', 'ssh-2.0-client\r\n'],
  ])('%s instead of TLS inside CONNECT: closed, recorded', async (_name, bytes) => {
    const { at, upstream } = await start();
    const session = at.session();
    const socket = await dial(at);
    await askConnect(socket, session, `localhost:${upstream.port}`);
    const rest = readAll(socket);
    socket.write(bytes);
    await rest;
    await until(() => at.store.records.length > 0);
    expect((await at.report(session)).failures).toMatchObject([
      { phase: 'protocol', method: 'CONNECT', statusCode: 0 },
    ]);
  });

  it("client's hop-by-hop headers: stripped with what they name", async () => {
    const upstream = await startHttpUpstream((_request, response) => void response.end('body'));
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session();
    // client sends
    const answer = await fetchThrough(at, session, `${upstream.url}/a`, {
      headers: [
        'Connection',
        'close, X-Hop',
        'X-Hop',
        'secret',
        'TE',
        'trailers',
        'Keep-Alive',
        '5',
        'Proxy-Connection',
        'x',
        'X-End',
        'stays',
        'Upgrade',
        'h2c',
        'HTTP2-Settings',
        'AAMA',
        'Range',
        'bytes=0-1',
        'If-None-Match',
        '"x"',
        'If-Modified-Since',
        'Sun, 06 Nov 1994 08:49:37 GMT',
        'If-Range',
        '"x"',
        'Accept-Encoding',
        'gzip',
      ],
    });
    expect([200, 206]).toContain(answer.status);
    // upstream sees
    const [request] = upstream.requests;
    const names = request?.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    expect(names?.sort()).toEqual(['accept-encoding', 'connection', 'host', 'http2-settings', 'x-end']);
    expect(request?.header('accept-encoding')).toBe('identity');
    expect(request?.header('connection')).toBe('keep-alive');
    // report says
    const [download] = (await at.report(session)).downloads;
    expect(Object.keys(download?.requestHeader ?? {})).not.toContain('proxy-authorization');
  });
});
