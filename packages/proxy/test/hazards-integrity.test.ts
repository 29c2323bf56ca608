import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { createThrowawayCa, startHttpsUpstream, startHttpUpstream, startRawUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { dial, exchange, fetchThrough, openTunnel, readAll, readUntil, secure } from './client.js';
import { startTestProxy, type TestProxy } from './harness.js';

const small = Buffer.from('0123456789');
const large = randomBytes(1_500_000);

/** Every line of specs/engine-hazards.md, section Integrity, under its name. */
describe('engine hazards: integrity', () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function startRaw(answer: (socket: Socket, head: string) => void, isTls = false) {
    const ca = isTls ? await createThrowawayCa() : undefined;
    const upstream = await startRawUpstream(answer, { ...(ca && { ca }) });
    const at = await startTestProxy({ ...(ca && { upstreamCa: ca }) });
    closing.push(at.close, upstream.close);
    return { upstream, at };
  }

  describe.each(['strict', 'permissive'] as const)('in a %s session', (policy) => {
    describe.each([
      ['small', small],
      ['large', large],
    ])('with a %s body', (_size, body) => {
      it.each([
        [
          'a chunked body, connection closed',
          (socket: Socket) => {
            socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
            socket.end(Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]));
          },
        ],
        [
          'a chunked body in the middle of a chunk',
          (socket: Socket) => {
            socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n');
            socket.end(Buffer.concat([Buffer.from(`${(body.length + 9).toString(16)}\r\n`), body]));
          },
        ],
        [
          'a Content-Length body',
          (socket: Socket) => {
            socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length + 1}\r\n\r\n`);
            socket.end(body);
          },
        ],
        [
          'a Content-Length body, with Connection: close',
          (socket: Socket) => {
            socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length + 1}\r\nConnection: close\r\n\r\n`);
            socket.end(body);
          },
        ],
        [
          'a body without length by a reset',
          (socket: Socket) => {
            socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n');
            socket.write(body);
            setTimeout(() => socket.resetAndDestroy(), 50);
          },
        ],
      ])(
        'upstream truncates %s: a broken transfer, a failure in the report, never an artifact',
        async (_how, answer) => {
          const { at, upstream } = await startRaw(answer);
          const session = at.session(policy);
          // client sends
          const got = await fetchThrough(at, session, `${upstream.url}/a`);
          // client gets: an error, or a transfer that is visibly broken; never the whole, and no text of ours in it
          if (got.status === 502) {
            expect(got.text).toMatch(/^Cannot handle file downloads: .* before /);
          } else {
            expect(got.status).toBe(200);
            expect(got.broken).toBeDefined();
            expect(body.subarray(0, got.body.length).equals(got.body)).toBe(true);
          }
          // report says
          const report = await at.report(session);
          expect(report.downloads).toEqual([]);
          expect(report.failures).toMatchObject([{ phase: 'upstream', statusCode: got.status === 502 ? 502 : 0 }]);
          expect(at.blobs.openWriters).toBe(0);
        },
      );
    });

    it('duplicate response headers, reason phrase, header case: passed on as they came, except hop-by-hop', async () => {
      const { at, upstream } = await startRaw((socket) => {
        socket.write(
          'HTTP/1.1 200 Sure Thing\r\nX-Dup: 1\r\nx-DUP: 2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: gone\r\n' +
            'Keep-Alive: timeout=7\r\nProxy-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\nETag: "x"\r\n\r\nok',
        );
      });
      const session = at.session(policy);
      const socket = await dial(at);
      const rest = readAll(socket);
      socket.write(
        `GET ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`,
      );
      // client gets
      expect((await rest).text).toBe(
        'HTTP/1.1 200 Sure Thing\r\nX-Dup: 1\r\nx-DUP: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\nETag: "x"\r\nConnection: close\r\n\r\nok',
      );
      // report says
      expect((await at.report(session)).downloads).toMatchObject([
        {
          status: '200 Sure Thing',
          responseHeader: { 'x-dup': ['1', '2'], 'set-cookie': ['[redacted]', '[redacted]'] },
        },
      ]);
    });

    it.each([
      ['small', small],
      ['large', large],
    ])('trailers of a %s body: passed on and recorded', async (_size, body) => {
      const { at, upstream } = await startRaw((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-More\r\n\r\n');
        socket.write(Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]));
        socket.write('0\r\nX-Sum: abc\r\nX-More: 1\r\n\r\n');
      });
      const session = at.session(policy);
      const got = await fetchThrough(at, session, `${upstream.url}/a`, { headers: { TE: 'trailers' } });
      expect(got.body.equals(body)).toBe(true);
      expect(got.rawTrailers).toEqual(['X-Sum', 'abc', 'X-More', '1']);
      expect(got.broken).toBeUndefined();
      expect((await at.report(session)).downloads).toMatchObject([
        { responseTrailer: { 'x-sum': ['abc'], 'x-more': ['1'] } },
      ]);
    });

    it('trailers for an HTTP/1.0 client: left out, the length is announced instead', async () => {
      const { at, upstream } = await startRaw((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: abc\r\n\r\n');
      });
      const session = at.session(policy);
      const socket = await dial(at);
      const rest = readAll(socket);
      socket.write(`GET ${upstream.url}/a HTTP/1.0\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
      expect((await rest).text).toBe('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
    });

    it('103 early hints: dropped, never mistaken for the response', async () => {
      const { at, upstream } = await startRaw((socket) => {
        socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n');
        setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 20);
      });
      const session = at.session(policy);
      const got = await fetchThrough(at, session, `${upstream.url}/a`);
      expect([got.status, got.text, got.headers.link]).toEqual([200, 'ok', undefined]);
      expect((await at.report(session)).downloads).toMatchObject([{ statusCode: 200 }]);
    });

    it.each([
      ['HEAD', 200, 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-A: b\r\n\r\n'],
      ['GET', 204, 'HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n'],
      ['GET', 304, 'HTTP/1.1 304 Not Modified\r\nX-A: b\r\nETag: "x"\r\n\r\n'],
      ['GET', 302, 'HTTP/1.1 302 Found\r\nLocation: /b\r\nX-A: b\r\nContent-Length: 0\r\n\r\n'],
      ['GET', 200, 'HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 0\r\n\r\n'],
      ['GET', 200, 'HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
      ['GET', 404, 'HTTP/1.1 404 Not Found\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ])('%s answered %s without a body: right, no artifact', async (method, status, head) => {
      const { at, upstream } = await startRaw((socket) => void socket.write(head));
      const session = at.session(policy);
      const got = await fetchThrough(at, session, `${upstream.url}/a`, { method });
      expect([got.status, got.text, got.headers['x-a'], got.broken]).toEqual([status, '', 'b', undefined]);
      if (method === 'HEAD') expect(got.headers['content-length']).toBe('1000');
      if (status === 302) expect(got.headers.location).toBe('/b');
      const report = await at.report(session);
      expect(report.downloads).toEqual([]);
      expect(report.responses).toMatchObject([{ statusCode: status, delivery: 'none', method, result: 'Approved' }]);
      expect(session.inspected.artifacts).toEqual([]);
    });

    it('an unsolicited 100 Continue or a 101: an error, never the response', async () => {
      for (const head of [
        'HTTP/1.1 100 Continue\r\n\r\n',
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      ]) {
        const { at, upstream } = await startRaw(
          (socket) => void socket.write(`${head}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`),
        );
        const session = at.session(policy);
        const got = await fetchThrough(at, session, `${upstream.url}/a`);
        expect(got.status).toBe(502);
        expect((await at.report(session)).failures).toMatchObject([{ phase: 'upstream' }]);
      }
    });
  });

  it('CONNECT and ClientHello in one packet: stays right', async () => {
    const upstream = await startHttpsUpstream((_request, response) => void response.end('body'));
    const at = await startTestProxy({ upstreamCa: upstream.ca });
    closing.push(at.close, upstream.close);
    const session = at.session();
    const socket = await dial(at);
    const authority = `localhost:${upstream.port}`;
    // client sends: both in one write
    socket.cork();
    socket.write(
      `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`,
    );
    const { Duplex } = await import('node:stream');
    let isOpen = false;
    // The client's TLS reads only what follows the answer to CONNECT.
    const beyond = new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        socket.write(chunk);
        if (!isOpen) process.nextTick(() => socket.uncork());
        done();
      },
    });
    readUntil(socket, '\r\n\r\n').then(() => {
      isOpen = true;
      socket.on('data', (chunk) => beyond.push(chunk));
    });
    const tls = await secure(beyond as unknown as Socket, at, 'localhost');
    expect((await exchange(tls, { path: '/a', host: authority })).text).toBe('body');
  });

  it('bytes that nobody asked for on a kept upstream connection are not taken for the next answer', async () => {
    let count = 0;
    const { at, upstream } = await startRaw((socket) => {
      count += 1;
      const extra = count === 1 ? 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil' : '';
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood${extra}`);
    });
    const session = at.session();
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).text).toBe('good');
    expect((await fetchThrough(at, session, `${upstream.url}/b`)).text).toBe('good');
  });

  it('a request on a kept connection that the upstream has just closed is sent again', async () => {
    const { at, upstream } = await startRaw((socket, head) => {
      if (head.startsWith('GET /b') && upstream.heads.filter((one) => one.startsWith('GET /b')).length === 1) {
        socket.destroy();
        return;
      }
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const session = at.session();
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).text).toBe('ok');
    expect((await fetchThrough(at, session, `${upstream.url}/b`)).text).toBe('ok');
    expect((await at.report(session)).failures).toEqual([]);
  });

  it('a POST that got no answer is not sent again', async () => {
    const { at, upstream } = await startRaw((socket) => void socket.destroy());
    const session = at.session();
    const got = await fetchThrough(at, session, `${upstream.url}/b`, { method: 'POST', body: 'x' });
    expect([got.status, upstream.heads.length]).toEqual([502, 1]);
  });

  it('requests that a client pipelines are carried one after the other and answered in order', async () => {
    let running = 0;
    let most = 0;
    const upstream = await startHttpUpstream(async (request, response) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running -= 1;
      response.end(request.url);
    });
    const at: TestProxy = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session();
    const socket = await dial(at);
    const rest = readAll(socket);
    const one = (path: string, last = false) =>
      `GET ${upstream.url}${path} HTTP/1.1\r\nHost: x\r\n${last ? 'Connection: close\r\n' : ''}Proxy-Authorization: ${session.authorization}\r\n\r\n`;
    socket.write(one('/p1') + one('/p2') + one('/p3', true));
    const { text } = await rest;
    expect(text.match(/p[123]/g)).toEqual(['p1', 'p2', 'p3']);
    expect(most).toBe(1);
  });

  it('an endless pipeline is cut off', async () => {
    const upstream = await startHttpUpstream(() => {});
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session();
    const socket = await dial(at);
    const rest = readAll(socket);
    const one = `GET ${upstream.url}/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`;
    socket.write(one.repeat(100));
    expect((await rest).error).toBe('ECONNRESET');
    expect(upstream.requests.length).toBeLessThanOrEqual(1);
  });

  it('TLS tunnels serve request after request', async () => {
    const upstream = await startHttpsUpstream((request, response) => void response.end(request.url));
    const at = await startTestProxy({ upstreamCa: upstream.ca });
    closing.push(at.close, upstream.close);
    const session = at.session();
    const authority = `localhost:${upstream.port}`;
    const tunnel = await openTunnel(at, session, authority);
    const rest = readAll(tunnel);
    tunnel.write(
      `GET /p1 HTTP/1.1\r\nHost: ${authority}\r\n\r\nGET /p2 HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`,
    );
    expect((await rest).text.match(/p[12]/g)).toEqual(['p1', 'p2']);
    expect(upstream.connections).toBe(1);
  });
});
