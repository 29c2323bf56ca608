import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect as connectSocket, createServer as createNetServer } from 'node:net';
import {
  createThrowawayCa,
  fixedClock,
  startHttpsUpstream,
  startHttpUpstream,
  startRawUpstream,
} from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { fetchThrough } from './client.js';
import { fakeLimits } from './fake-session.js';
import { openGuard, startTestProxy } from './harness.js';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

describe('promise 9: destinations are judged after resolution and before connecting', () => {
  async function start(guard: Parameters<typeof openGuard>[0], addresses: readonly string[] = ['127.0.0.1']) {
    const upstream = await startHttpUpstream((_request, response) => void response.end('inside'));
    const asked: string[] = [];
    const lookup = async (host: string) => {
      asked.push(host);
      return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    };
    const at = await startTestProxy({ egress: openGuard(guard), upstream: { lookup } });
    closing.push(at.close, upstream.close);
    return { at, upstream, asked };
  }

  it.each(['strict', 'permissive'] as const)('%s: an address that is refused is never connected to', async (policy) => {
    const { at, upstream } = await start({ '127.0.0.1': '127.0.0.1 is loopback' });
    const session = at.session(policy);
    for (const host of ['127.0.0.1', 'inside.example']) {
      const got = await fetchThrough(at, session, `http://${host}:${upstream.port}/`);
      expect(got.status).toBe(403);
      expect(got.text).toMatch(/^Access denied: .*127\.0\.0\.1 is loopback \(allow the address in acl\.yaml/);
    }
    expect(upstream.connections).toBe(0);
    expect((await at.report(session)).refusals).toMatchObject([
      { phase: 'destination', statusCode: 403, delivered: false },
      { phase: 'destination', statusCode: 403, delivered: false },
    ]);
  });

  it('of several addresses only the allowed ones are connected to', async () => {
    const { at, upstream } = await start({ '169.254.169.254': 'metadata' }, ['169.254.169.254', '127.0.0.1']);
    const session = at.session();
    expect((await fetchThrough(at, session, `http://mixed.example:${upstream.port}/`)).text).toBe('inside');
  });

  it('the address that was judged is the one connected to: a name is asked once', async () => {
    const { at, upstream, asked } = await start({ '10.0.0.1': 'private' });
    expect((await fetchThrough(at, at.session(), `http://rebind.example:${upstream.port}/`)).text).toBe('inside');
    expect(asked).toEqual(['rebind.example']);
  });

  it('a new guard counts at once, for hosts with kept connections too', async () => {
    const { at, upstream } = await start({});
    const session = at.session();
    expect((await fetchThrough(at, session, `http://a.example:${upstream.port}/`)).text).toBe('inside');
    at.proxy.setEgress(openGuard({ '127.0.0.1': 'not any more' }));
    expect((await fetchThrough(at, session, `http://a.example:${upstream.port}/`)).status).toBe(403);
  });

  it('https destinations are judged alike', async () => {
    const upstream = await startHttpsUpstream((_request, response) => void response.end('inside'), {
      address: '::1',
      host: '::1',
    });
    const at = await startTestProxy({ upstreamCa: upstream.ca, egress: openGuard({ '::1': 'loopback' }) });
    closing.push(at.close, upstream.close);
    expect((await fetchThrough(at, at.session(), `https://[::1]:${upstream.port}/`)).status).toBe(403);
    expect(upstream.connections).toBe(0);
  });
});

describe('upstreams that cannot be reached: a clear cause, recorded', () => {
  it.each([
    ['ENOTFOUND', 502, /none\.example cannot be resolved: no such name \(check the spelling/],
    ['EAI_AGAIN', 502, /none\.example cannot be resolved now: the name server does not answer/],
  ])('name not resolved (%s)', async (code, status, reason) => {
    const lookup = () => Promise.reject(Object.assign(new Error(`getaddrinfo ${code}`), { code }));
    const at = await startTestProxy({ upstream: { lookup } });
    closing.push(at.close);
    const session = at.session();
    const got = await fetchThrough(at, session, 'https://none.example/a');
    expect([got.status, got.text]).toEqual([status, expect.stringMatching(reason)]);
    expect(got.text).toMatch(/^Cannot handle file downloads: /);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'upstream', statusCode: status }]);
  });

  it('a name that is never resolved: 504', async () => {
    const at = await startTestProxy({ upstream: { lookup: () => new Promise(() => {}) } });
    closing.push(at.close);
    const session = at.session();
    session.limits = { ...fakeLimits, upstreamConnectTimeoutMs: 200 };
    const got = await fetchThrough(at, session, 'http://slow.example/a');
    expect([got.status, got.text]).toEqual([504, expect.stringContaining('slow.example was not resolved in time')]);
  });

  it('connection refused', async () => {
    const server = createNetServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    const at = await startTestProxy();
    closing.push(at.close);
    const got = await fetchThrough(at, at.session(), `http://127.0.0.1:${port}/`);
    expect([got.status, got.text]).toEqual([502, expect.stringContaining(`127.0.0.1:${port} refused the connection`)]);
  });

  it.each([
    [
      'of an unknown root',
      async () => ({ serves: await createThrowawayCa(), trusts: await createThrowawayCa() }),
      /its issuer is unknown|root is not trusted/,
    ],
    [
      'that has expired',
      async () => {
        const ca = await createThrowawayCa({ clock: fixedClock('2020-01-01T00:00:00Z') });
        return { serves: ca, trusts: ca };
      },
      /it has expired/,
    ],
  ])('certificate %s', async (_name, roots, reason) => {
    const { serves, trusts } = await roots();
    const upstream = await startHttpsUpstream((_request, response) => void response.end('x'), { ca: serves });
    const at = await startTestProxy({ upstreamCa: trusts });
    closing.push(at.close, upstream.close);
    const session = at.session('permissive');
    const got = await fetchThrough(at, session, `${upstream.url}/`);
    expect(got.status).toBe(502);
    expect(got.text).toMatch(reason);
    expect(upstream.requests).toEqual([]);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'upstream' }]);
  });

  it('certificate for another name', async () => {
    const ca = await createThrowawayCa();
    const upstream = await startRawUpstream(() => {}, { ca });
    const wrong = { ...ca, contextFor: () => ca.contextFor('other.example') };
    const impostor = await startHttpsUpstream((_request, response) => void response.end('x'), { ca: wrong });
    const at = await startTestProxy({ upstreamCa: ca });
    closing.push(at.close, upstream.close, impostor.close);
    const got = await fetchThrough(at, at.session(), `${impostor.url}/`);
    expect([got.status, got.text]).toEqual([502, expect.stringContaining('is for another name')]);
    expect(impostor.requests).toEqual([]);
  });

  it('verification cannot be switched off through the environment', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const upstream = await startHttpsUpstream((_request, response) => void response.end('x'));
      const at = await startTestProxy({ upstreamCa: await createThrowawayCa() });
      closing.push(at.close, upstream.close);
      const session = at.session();
      // The client of this test trusts the proxy's root explicitly.
      expect((await fetchThrough(at, session, `${upstream.url}/`)).status).toBe(502);
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });

  it('no TLS at all', async () => {
    const upstream = await startHttpUpstream((_request, response) => void response.end('x'));
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const got = await fetchThrough(at, at.session(), `https://127.0.0.1:${upstream.port}/`);
    expect([got.status, got.text]).toEqual([502, expect.stringMatching(/no TLS with .*does the port speak https/)]);
  });

  it.each([
    ['something else than HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', /did not answer in HTTP\/1\.1/],
    [
      'two lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      /contradicts itself about its length/,
    ],
    [
      'a length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /contradicts itself about its length/,
    ],
    [
      'too many header fields',
      `HTTP/1.1 200 OK\r\n${`X-A: ${'a'.repeat(1000)}\r\n`.repeat(80)}\r\n`,
      /more header fields than fit/,
    ],
    [
      '407',
      'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n',
      /answered 407/,
    ],
    ['nothing', '', /closed the connection before its answer was complete/],
  ])('an upstream that says %s: 502', async (_name, said, reason) => {
    const upstream = await startRawUpstream((socket) => void socket.end(said));
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('permissive');
    const got = await fetchThrough(at, session, `${upstream.url}/`);
    expect([got.status, got.text]).toEqual([502, expect.stringMatching(reason)]);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'upstream', statusCode: 502 }]);
  });

  it('a status line or field with bytes that no client should see', async () => {
    const upstream = await startRawUpstream((socket) => {
      socket.write(Buffer.from('HTTP/1.1 200 \xe9t\xe9\r\nX-A: caf\xe9\r\nContent-Length: 2\r\n\r\nok', 'latin1'));
    });
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const got = await fetchThrough(at, at.session(), `${upstream.url}/`);
    expect([got.status, got.text, got.headers['x-a']]).toEqual([200, 'ok', 'caf\xe9']);
  });

  it('no answer in time: 504', async () => {
    const upstream = await startRawUpstream(() => {});
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session();
    session.limits = { ...fakeLimits, upstreamIdleTimeoutMs: 300 };
    const got = await fetchThrough(at, session, `${upstream.url}/`);
    expect([got.status, got.text]).toEqual([504, expect.stringContaining('did not answer in time')]);
  });

  it('silence in the middle of a body: 504, or a broken transfer', async () => {
    const upstream = await startRawUpstream(
      (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'),
    );
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session();
    session.limits = { ...fakeLimits, upstreamIdleTimeoutMs: 300 };
    const got = await fetchThrough(at, session, `${upstream.url}/`);
    expect([got.status, got.text]).toEqual([504, expect.stringContaining('stopped sending in the middle of the body')]);
    expect((await at.report(session)).downloads).toEqual([]);
  });
});

describe('through an upstream proxy', () => {
  async function startForwarder(password?: string) {
    const seen: { line: string; authorization: string | undefined }[] = [];
    const wanted = password && `Basic ${Buffer.from(password).toString('base64')}`;
    const server = createServer((request, response) => {
      seen.push({ line: `${request.method} ${request.url}`, authorization: request.headers['proxy-authorization'] });
      if (wanted && request.headers['proxy-authorization'] !== wanted) return void response.writeHead(407).end();
      response.end(`forwarded ${request.headers.host}`);
    });
    server.on('connect', (request, socket, head) => {
      seen.push({ line: `CONNECT ${request.url}`, authorization: request.headers['proxy-authorization'] });
      if (wanted && request.headers['proxy-authorization'] !== wanted)
        return void socket.end('HTTP/1.1 407 No\r\n\r\n');
      const port = Number(/:(\d+)$/.exec(request.url ?? '')?.[1]);
      const out = connectSocket(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        out.write(head);
        socket.pipe(out).pipe(socket);
      });
      for (const one of [socket, out])
        one.on('error', () => {}).once('close', () => [socket, out].map((s) => s.destroy()));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    return { seen, port: (server.address() as AddressInfo).port };
  }

  it('http in absolute form, https through a tunnel, with its credentials and nobody else’s', async () => {
    const upstream = await startHttpsUpstream((_request, response) => void response.end('tls body'));
    const forwarder = await startForwarder('u ser:p@ss');
    const proxyUrl = `http://u%20ser:p%40ss@127.0.0.1:${forwarder.port}`;
    const lookup = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    const at = await startTestProxy({
      upstreamCa: upstream.ca,
      upstream: { httpProxy: proxyUrl, httpsProxy: proxyUrl, lookup },
    });
    closing.push(at.close, upstream.close);
    const session = at.session();
    // A name that only the upstream proxy knows is left to it.
    expect((await fetchThrough(at, session, 'http://inside.example/a?b=c')).text).toBe('forwarded inside.example');
    expect((await fetchThrough(at, session, `https://localhost:${upstream.port}/b`)).text).toBe('tls body');
    const authorization = `Basic ${Buffer.from('u ser:p@ss').toString('base64')}`;
    expect(forwarder.seen).toEqual([
      { line: 'GET http://inside.example/a?b=c', authorization },
      { line: `CONNECT localhost:${upstream.port}`, authorization },
    ]);
    expect(upstream.requests[0]?.header('proxy-authorization')).toBeUndefined();
    expect(JSON.stringify(at.store.records)).not.toContain(Buffer.from('u ser:p@ss').toString('base64'));
  });

  it('NO_PROXY hosts and globs are reached directly', async () => {
    const upstream = await startHttpUpstream((_request, response) => void response.end('direct'));
    const forwarder = await startForwarder();
    const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
    const at = await startTestProxy({
      upstream: {
        httpProxy: `http://127.0.0.1:${forwarder.port}`,
        noProxy: ' exact.example, *.Glob.example ,x?.example',
        lookup,
      },
    });
    closing.push(at.close, upstream.close);
    const session = at.session();
    const text = async (host: string) => (await fetchThrough(at, session, `http://${host}:${upstream.port}/`)).text;
    for (const host of ['exact.example', 'EXACT.example', 'a.glob.example', 'xy.example'])
      expect(await text(host)).toBe('direct');
    for (const host of ['sub.exact.example', 'glob.example', 'xyz.example'])
      expect(await text(host)).toMatch(/^forwarded/);
  });

  it('a target that the guard refuses stays refused: literal addresses and names that resolve', async () => {
    const forwarder = await startForwarder();
    const lookup = async () => [{ address: '10.0.0.1', family: 4 }];
    const proxyUrl = `http://127.0.0.1:${forwarder.port}`;
    const at = await startTestProxy({
      egress: openGuard({ '10.0.0.1': 'private' }),
      upstream: { httpProxy: proxyUrl, httpsProxy: proxyUrl, lookup },
    });
    closing.push(at.close);
    const session = at.session();
    for (const url of ['http://10.0.0.1/', 'http://private.example/', 'https://private.example/']) {
      expect((await fetchThrough(at, session, url)).status).toBe(403);
    }
    expect(forwarder.seen).toEqual([]);
  });

  it('an upstream proxy that refuses, or is not there: 502 that names it, without its credentials', async () => {
    const forwarder = await startForwarder('right:password');
    const upstream = await startHttpsUpstream((_request, response) => void response.end('x'));
    for (const [proxyUrl, reason] of [
      [
        `http://wrong:secretword@127.0.0.1:${forwarder.port}`,
        /the upstream proxy 127\.0\.0\.1:\d+ answered CONNECT with 407/,
      ],
      ['http://wrong:secretword@127.0.0.1:1', /the upstream proxy 127\.0\.0\.1:1 cannot be reached/],
    ] as const) {
      const at = await startTestProxy({
        upstreamCa: upstream.ca,
        upstream: { httpProxy: proxyUrl, httpsProxy: proxyUrl },
      });
      closing.push(at.close);
      const session = at.session();
      const secure = await fetchThrough(at, session, `${upstream.url}/`);
      expect([secure.status, secure.text]).toEqual([502, expect.stringMatching(reason)]);
      expect((await fetchThrough(at, session, 'http://127.0.0.1:9/')).status).toBe(502);
      expect(JSON.stringify(at.store.records) + secure.text).not.toContain('secretword');
    }
    closing.push(upstream.close);
  });

  it.each(['ftp://proxy.example', 'http://[', 'socks5://u:secretword@x'])(
    '%s is refused at start',
    async (httpProxy) => {
      const starting = startTestProxy({ upstream: { httpProxy } });
      await expect(starting).rejects.toMatchObject({ code: 'PROXY_OPTIONS_INVALID' });
      await expect(starting).rejects.not.toMatchObject({ message: expect.stringContaining('secretword') });
    },
  );
});
