import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { startHttpsUpstream, startHttpUpstream, startRawUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { dial, exchange, fetchThrough, openTunnel, readAll } from './client.js';
import { startTestProxy } from './harness.js';
import { pause, until } from './until.js';

const mebibyte = randomBytes(1024 * 1024);

/** Every line of specs/engine-hazards.md, section Memory and life cycle, under its name; with numbers in memory.int.test.ts. */
describe('engine hazards: memory and life cycle', () => {
  const closing: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** Sends without end, as fast as it is read; counts. */
  function endless() {
    const state = { sent: 0, isClosed: false };
    const handler = (_request: unknown, response: ServerResponse) => {
      response.writeHead(200, { 'Content-Length': String(1024 ** 3) });
      const more = () => {
        while (!response.destroyed && state.sent < 1024 ** 3) {
          state.sent += mebibyte.length;
          if (!response.write(mebibyte)) return void response.once('drain', more);
        }
      };
      response.once('close', () => {
        state.isClosed = true;
      });
      more();
    };
    return { state, handler };
  }

  describe.each(['strict', 'permissive'] as const)('in a %s session', (policy) => {
    it('client vanishes during a 1 GiB download: upstream aborted at once', async () => {
      const { state, handler } = endless();
      const upstream = await startHttpUpstream(handler);
      const at = await startTestProxy();
      closing.push(at.close, upstream.close);
      const session = at.session(policy);
      // client sends, and is gone in the middle
      const socket = await dial(at);
      socket.write(
        `GET ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`,
      );
      await until(() => state.sent > 4 * mebibyte.length, 'the download');
      socket.destroy();
      // upstream sees: the connection closed
      await until(() => state.isClosed, 'the end of the upstream connection');
      // report says
      const report = await at.report(session);
      expect(report.downloads).toEqual([]);
      expect(report.failures).toMatchObject([{ phase: 'client', statusCode: 0 }]);
      expect(at.blobs.openWriters).toBe(0);
      expect(at.proxy.stats().exchanges).toBe(0);
    });
  });

  it('client that does not read: back-pressure reaches the upstream', async () => {
    const { state, handler } = endless();
    const upstream = await startHttpUpstream(handler);
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('permissive');
    const socket = await dial(at);
    socket.pause();
    socket.write(`GET ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    await until(() => state.sent > 0);
    let before = -1;
    for (let i = 0; i < 50 && before !== state.sent; i += 1) {
      before = state.sent;
      await pause(100);
    }
    // What is on its way: socket buffers of both sides and our own bound.
    expect(state.sent).toBeLessThan(48 * 1024 * 1024);
    socket.destroy();
  });

  it('a client that stops reading is given up after a while', async () => {
    const { state, handler } = endless();
    const upstream = await startHttpUpstream(handler);
    const at = await startTestProxy({ limits: { clientStallMs: 200 } });
    closing.push(at.close, upstream.close);
    const session = at.session('permissive');
    const socket = await dial(at);
    socket.pause();
    socket.write(`GET ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    await until(() => state.isClosed, 'the end of the upstream connection');
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'client' }]);
  });

  it('upload to a slow upstream: back-pressure reaches the client', async () => {
    let upstreamSocket: Socket | undefined;
    const upstream = await startRawUpstream((socket) => {
      upstreamSocket = socket;
      socket.pause();
    });
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('permissive');
    const socket = await dial(at);
    socket.write(
      `PUT ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nContent-Length: ${1024 ** 3}\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`,
    );
    let sent = 0;
    const more = () => {
      while (sent < 256 * 1024 * 1024) {
        sent += mebibyte.length;
        if (!socket.write(mebibyte)) return void socket.once('drain', more);
      }
    };
    more();
    await until(() => upstreamSocket !== undefined, 'the request');
    let before = -1;
    for (let i = 0; i < 50 && before !== sent; i += 1) {
      before = sent;
      await pause(100);
    }
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    socket.destroy();
  });

  it('upstream origins with kept connections are bounded', async () => {
    const upstream = await startHttpUpstream((_request, response) => void response.end('body'));
    const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
    const at = await startTestProxy({ upstream: { lookup }, limits: { origins: 5 } });
    closing.push(at.close, upstream.close);
    const session = at.session();
    for (let i = 0; i < 12; i += 1) {
      expect((await fetchThrough(at, session, `http://h${i}.example:${upstream.port}/`)).text).toBe('body');
    }
    expect(at.proxy.stats().upstream.origins).toBe(5);
    await until(() => upstream.open <= 5, 'the end of the connections to the others');
  });

  it('IPv6: CONNECT [::1] works, with the address on the certificate', async () => {
    const upstream = await startHttpsUpstream((_request, response) => void response.end('body'), {
      address: '::1',
      host: '::1',
    });
    const at = await startTestProxy({ upstreamCa: upstream.ca });
    closing.push(at.close, upstream.close);
    const session = at.session();
    const tunnel = await openTunnel(at, session, `[::1]:${upstream.port}`);
    expect(tunnel.getPeerX509Certificate()?.checkIP('::1')).toBe('::1');
    const answer = await exchange(tunnel, { path: '/a', host: `[::1]:${upstream.port}` });
    expect(answer.text).toBe('body');
    expect(upstream.requests[0]?.header('host')).toBe(`[::1]:${upstream.port}`);
    expect((await at.report(session)).downloads[0]?.url).toBe(`https://[::1]:${upstream.port}/a`);
  });

  it('IPv6: another spelling of the address is the same destination', async () => {
    const upstream = await startHttpsUpstream((_request, response) => void response.end('body'), {
      address: '::1',
      host: '::1',
    });
    const at = await startTestProxy({ upstreamCa: upstream.ca });
    closing.push(at.close, upstream.close);
    const tunnel = await openTunnel(at, at.session(), `[0:0:0:0:0:0:0:1]:${upstream.port}`);
    expect((await exchange(tunnel, { path: '/a', host: `[::1]:${upstream.port}` })).text).toBe('body');
  });

  it.each(['::1', '127.0.0.2'])('listening on %s: works', async (host) => {
    const upstream = await startHttpsUpstream((_request, response) => void response.end('body'));
    const at = await startTestProxy({ upstreamCa: upstream.ca, listen: { host, port: 0 } });
    closing.push(at.close, upstream.close);
    const session = at.session();
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).text).toBe('body');
    const [download] = (await at.report(session)).downloads;
    expect(download?.address).toMatch(host === '::1' ? /^\[::1\]:\d+$/ : /^127\.0\.0\.\d:\d+$/);
  });

  it.each([
    ['h2c', ['Connection', 'Upgrade, HTTP2-Settings', 'Upgrade', 'h2c', 'HTTP2-Settings', 'AAMAAABkAAQCAAAAAAIAAAAA']],
    [
      'websocket',
      [
        'Connection',
        'Upgrade',
        'Upgrade',
        'websocket',
        'Sec-WebSocket-Key',
        'AAAAAAAAAAAAAAAAAAAAAA==',
        'Sec-WebSocket-Version',
        '13',
      ],
    ],
  ])('plain http with Upgrade: %s: upgrade ignored, answered as HTTP/1.1', async (_name, headers) => {
    const upstream = await startHttpUpstream((_request, response) => void response.end('body'));
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const answer = await fetchThrough(at, at.session(), `${upstream.url}/a`, { headers });
    expect([answer.status, answer.text]).toEqual([200, 'body']);
    expect(upstream.requests[0]?.header('upgrade')).toBeUndefined();
  });

  it('a client that sends its header fields drop by drop is cut off', async () => {
    const at = await startTestProxy({ limits: { headersTimeoutMs: 300 } });
    closing.push(at.close);
    const socket = await dial(at);
    const rest = readAll(socket);
    const timer = setInterval(() => socket.writable && socket.write('X-A: b\r\n'), 50);
    socket.write('GET http://upstream.example/ HTTP/1.1\r\n');
    const { text } = await rest;
    clearInterval(timer);
    expect(text).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  it('a client that sends its header fields drop by drop inside a tunnel is cut off', async () => {
    const at = await startTestProxy({ limits: { idleTimeoutMs: 300 } });
    closing.push(at.close);
    const tunnel = await openTunnel(at, at.session(), 'upstream.example:443');
    const rest = readAll(tunnel);
    const timer = setInterval(() => tunnel.writable && tunnel.write('X-A: b\r\n'), 50);
    tunnel.write('GET / HTTP/1.1\r\n');
    await rest;
    clearInterval(timer);
    await until(() => at.proxy.stats().tunnels === 0);
  });

  it('a tunnel in which nobody shakes hands is cut off', async () => {
    const at = await startTestProxy({ limits: { headersTimeoutMs: 200 } });
    closing.push(at.close);
    const session = at.session();
    const socket = await dial(at);
    socket.write(`CONNECT upstream.example:443 HTTP/1.1\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    expect((await readAll(socket)).text).toMatch(/^HTTP\/1\.1 200 /);
    await until(() => at.proxy.stats().connections === 0);
    expect((await at.report(session)).all).toEqual([]);
  });

  it('a client that does not send the body it announced is told and cut off', async () => {
    const at = await startTestProxy({ limits: { clientStallMs: 200 } });
    closing.push(at.close);
    const session = at.session();
    const socket = await dial(at);
    socket.write(
      `POST http://upstream.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nProxy-Authorization: ${session.authorization}\r\n\r\nabc`,
    );
    expect((await readAll(socket)).text).toMatch(/^HTTP\/1\.1 408 /);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'client', statusCode: 408 }]);
  });

  it.each([
    ['too large', 'X-A', 'a'.repeat(70_000), 1],
    ['too many', 'X-A', 'a', 300],
  ])('header fields that are %s: 431', async (_name, field, value, count) => {
    const at = await startTestProxy();
    closing.push(at.close);
    const session = at.session();
    const socket = await dial(at);
    const rest = readAll(socket);
    socket.write(
      `GET http://upstream.example/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n${`${field}: ${value}\r\n`.repeat(count)}\r\n`,
    );
    expect((await rest).text).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('no input ends the process: fragments of everything', async () => {
    const at = await startTestProxy();
    closing.push(at.close);
    const session = at.session();
    const authorization = `Proxy-Authorization: ${session.authorization}`;
    const inputs = [
      'GET http://[::1:80/ HTTP/1.1\r\nHost: x\r\n\r\n',
      `GET http://a:99999/ HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`,
      `GET http://%00/ HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`,
      `GET http:// HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: [\r\n${authorization}\r\n\r\n`,
      `GET ftp://a/ HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`,
      `GET https://a.example/ HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`,
      `OPTIONS * HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`,
      'GET / HTTP/1.0\r\n\r\n',
      `CONNECT  HTTP/1.1\r\n${authorization}\r\n\r\n`,
      `CONNECT a.example:443 HTTP/1.1\r\n${authorization}\r\n\r\n${'\x16\x03\x01'.repeat(200)}`,
      `CONNECT a.example:443 HTTP/1.1\r\n${authorization}\r\n\r\n\x00`,
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      '\r\n\r\n\r\n',
      '',
    ];
    for (const input of [...inputs, ...inputs.map((one) => one.slice(0, -7))]) {
      const socket = await dial(at);
      const rest = readAll(socket);
      socket.end(Buffer.from(input, 'latin1'));
      setTimeout(() => socket.destroy(), 60);
      const { text } = await rest;
      expect(text).toMatch(/^($|HTTP\/1\.1 )/);
      await until(() => at.proxy.stats().connections === 0, JSON.stringify(input));
    }
    expect(at.proxy.stats().exchanges).toBe(0);
  });
});
