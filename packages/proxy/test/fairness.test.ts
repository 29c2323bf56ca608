import type { Socket } from 'node:net';
import { startHttpUpstream, startRawUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { dial, fetchThrough, readAll } from './client.js';
import { type FakeSession, fakeLimits } from './fake-session.js';
import { startTestProxy, type TestProxy } from './harness.js';
import { until } from './until.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** More than fits into all the buffers on the way. */
const large = Buffer.alloc(40 * 2 ** 20);

/** Opens connections that ask for something each, many at a time. */
async function storm(at: TestProxy, session: FakeSession, url: string, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let opened = 0; opened < count; opened += 50) {
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(50, count - opened) }, () => dial(at)))));
  }
  for (const socket of sockets) {
    socket.write(`GET ${url} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
  }
  closing.unshift(async () => {
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

describe('one session with 1000 slow connections', () => {
  it.each([
    ['to an upstream that drips', '/drip'],
    ['whose answers it never reads', '/large'],
  ])('%s: another session is served from the same origin, with the same proxy', async (_name, path) => {
    const upstream = await startHttpUpstream((request, response) => {
      if (request.url === '/quick') return void response.end('quick');
      if (request.url === '/large') return void response.end(large);
      response.write('x');
      const timer = setInterval(() => response.write('x'), 1_000);
      response.once('close', () => clearInterval(timer));
    });
    const at = await startTestProxy({ limits: { maxConnections: 1500, maxExchanges: 200, connectionsPerOrigin: 32 } });
    closing.push(at.close, upstream.close);
    const greedy = at.session('permissive');
    const sockets = await storm(at, greedy, `${upstream.url}${path}`, 1000);
    for (const socket of sockets) socket.pause();
    await until(() => at.proxy.stats().waiting > 100);
    const modest = at.session();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => fetchThrough(at, modest, `${upstream.url}/quick`)),
    );
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, () => 'quick'));
    expect(at.proxy.stats().upstream.running).toBeLessThanOrEqual(32);
    greedy.end();
    await until(() => at.proxy.stats().exchanges === 0);
    expect(at.proxy.stats().waiting).toBe(0);
  });

  it('cannot take all connections of the service: 503 that says so, and others get theirs', async () => {
    const upstream = await startHttpUpstream((request, response) => {
      if (request.url === '/quick') response.end('quick');
      else response.write('x');
    });
    const at = await startTestProxy({ limits: { maxConnections: 100 } });
    closing.push(at.close, upstream.close);
    const greedy = at.session('permissive');
    const sockets = await storm(at, greedy, `${upstream.url}/slow`, 50);
    await until(() => at.proxy.stats().exchanges === 50);
    const [refused] = await storm(at, greedy, `${upstream.url}/slow`, 1);
    expect((await readAll(refused as Socket)).text).toMatch(
      /^HTTP\/1\.1 503 [\s\S]*the session has 50 connections open, and the service no more to spare for it/,
    );
    expect(sockets.every((socket) => !socket.destroyed)).toBe(true);
    expect(at.store.records).toMatchObject([
      { kind: 'refusal', phase: 'session', statusCode: 503, sessionId: greedy.id },
    ]);
    expect((await fetchThrough(at, at.session(), `${upstream.url}/quick`)).text).toBe('quick');
  });
});

describe('connections that show no credentials', () => {
  it('make way for new ones, the oldest first', async () => {
    const upstream = await startHttpUpstream((_request, response) => void response.end('body'));
    const at = await startTestProxy({ limits: { maxConnections: 3 } });
    closing.push(at.close, upstream.close);
    const idle = [await dial(at), await dial(at), await dial(at)];
    const ends = idle.map((socket) => new Promise((resolve) => socket.once('close', () => resolve(true))));
    await until(() => at.proxy.stats().connections === 3);
    expect((await fetchThrough(at, at.session(), `${upstream.url}/`)).text).toBe('body');
    expect(await ends[0]).toBe(true);
    expect(idle.map((socket) => socket.destroyed)).toEqual([true, false, false]);
    for (const socket of idle) socket.destroy();
  });

  it('do not make way for connections of sessions that are over', async () => {
    const at = await startTestProxy({ limits: { maxConnections: 2 } });
    closing.push(at.close);
    const session = at.session();
    session.end();
    const socket = await dial(at);
    const rest = readAll(socket);
    socket.write(`CONNECT a:443 HTTP/1.1\r\nHost: a\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    expect((await rest).text).toMatch(/^HTTP\/1\.1 407 /);
  });
});

describe('who only pretends to go on is ended', () => {
  const limits = { ...fakeLimits, upstreamIdleTimeoutMs: 200, upstreamIdleBytes: 100 };

  it('an upstream that drips: 504 that names the limit; one that sends enough goes on', async () => {
    const upstream = await startRawUpstream((socket, head) => {
      const size = head.startsWith('GET /drip') ? 1 : 100;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n');
      const timer = setInterval(() => socket.write('x'.repeat(size)), 40);
      socket.once('close', () => clearInterval(timer));
    });
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session();
    session.limits = limits;
    const [drip, steady] = await Promise.all(
      ['/drip', '/steady'].map((path) => fetchThrough(at, session, `http://127.0.0.1:${upstream.port}${path}`)),
    );
    expect([drip?.status, drip?.text]).toEqual([
      504,
      expect.stringMatching(/sends too slowly to ever come to an end \(limits\.upstream-idle-bytes\)/),
    ]);
    expect([steady?.status, steady?.body.length]).toEqual([200, 2000]);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'upstream', statusCode: 504 }]);
  });

  it('a client that drips its request body: 408, recorded', async () => {
    const at = await startTestProxy({ limits: { clientStallMs: 200, clientStallBytes: 100 } });
    closing.push(at.close);
    const session = at.session();
    const socket = await dial(at);
    const rest = readAll(socket);
    socket.write(
      `POST http://upstream.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`,
    );
    const timer = setInterval(() => socket.write('x'), 20);
    const { text } = await rest;
    clearInterval(timer);
    expect(text).toMatch(/^HTTP\/1\.1 408 [\s\S]*fewer than 100 bytes of its request body in 200 ms/);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'client', statusCode: 408 }]);
  });

  it('a client that never reads: given up after its stall time, its slot is free again', async () => {
    const upstream = await startHttpUpstream((_request, response) => void response.end(large));
    const at = await startTestProxy({ limits: { clientStallMs: 200 } });
    closing.push(at.close, upstream.close);
    const session = at.session('permissive');
    const socket = await dial(at);
    socket.pause();
    socket.write(`GET ${upstream.url}/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    await until(() => at.proxy.stats().exchanges === 1);
    await until(() => at.proxy.stats().exchanges === 0);
    expect((await at.report(session)).failures).toMatchObject([
      { phase: 'client', reason: 'the client does not read the answer any more' },
    ]);
    socket.destroy();
  });
});
