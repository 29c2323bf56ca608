import { randomBytes } from 'node:crypto';
import { connect as connectTls } from 'node:tls';
import { WaybillError } from '@waybill/contracts';
import { startHttpsUpstream, startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { askConnect, dial, exchange, fetchThrough, openTunnel, readAll } from './client.js';
import { startTestProxy } from './harness.js';
import { pause, until } from './until.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start() {
  const upstream = await startHttpsUpstream((_request, response) => void response.end('body'));
  const plain = await startHttpUpstream((_request, response) => void response.end('plain body'));
  const at = await startTestProxy({ upstreamCa: upstream.ca });
  closing.push(at.close, upstream.close, plain.close);
  return { at, upstream, plain };
}

describe('authentication', () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

  it.each([
    ['no credentials', () => undefined, 'missing'],
    ['another scheme', () => 'Bearer abc', 'malformed'],
    ['the scheme in lower case', (good: string) => good.replace('Basic', 'basic'), 'malformed'],
    ['bad base64', () => 'Basic ***', 'malformed'],
    ['no colon', () => basic('abc'), 'malformed'],
    ['an unknown session', () => basic('ffff:token'), 'unknown'],
    [
      'a wrong token',
      (good: string) => basic(Buffer.from(good.slice(6), 'base64').toString().replace('token', 'tokem')),
      'wrong-token',
    ],
    ['a name of every object', () => basic('__proto__:x'), 'unknown'],
  ])('%s: 407 for a plain request and for CONNECT, nothing goes upstream', async (_name, headerOf, reason) => {
    const { at, plain } = await start();
    const header = headerOf(at.session().authorization);
    const line = header === undefined ? '' : `Proxy-Authorization: ${header}\r\n`;
    for (const head of [`GET ${plain.url}/a HTTP/1.1\r\nHost: x`, 'CONNECT upstream.example:443 HTTP/1.1\r\nHost: x']) {
      const socket = await dial(at);
      const rest = readAll(socket);
      socket.write(`${head}\r\n${line}\r\n`);
      const { text } = await rest;
      expect(text).toMatch(/^HTTP\/1\.1 407 Proxy Authentication Required\r\n/);
      expect(text).toContain('\r\nProxy-Authenticate: Basic realm=fetch-service\r\n');
      expect(text).toContain('\r\nProxy-Connection: close\r\n');
      expect(text).toMatch(/\r\n\r\n407 Proxy Authentication Required$/);
    }
    expect(plain.requests).toEqual([]);
    expect(at.store.records).toEqual([]);
    expect(at.turnedAway.map((event) => event.reason)).toEqual([reason, reason]);
  });

  it('sessions that cannot be looked up: 503 for a plain request and for CONNECT, nothing goes upstream', async () => {
    const { plain } = await start();
    const authenticate = () => Promise.reject(new Error('the database is gone'));
    const at = await startTestProxy({ sessions: { authenticate } });
    closing.push(at.close);
    const session = at.session();
    expect(await fetchThrough(at, session, `${plain.url}/a`)).toMatchObject({
      status: 503,
      text: expect.stringContaining('the session cannot be looked up now'),
    });
    await expect(openTunnel(at, session, 'upstream.example:443')).rejects.toThrow('503');
    expect(plain.requests).toEqual([]);
  });

  it.each(['revoked', 'expired', 'ended'] as const)('a session that is %s: the same 407', async (state) => {
    const { at, plain } = await start();
    const session = at.session();
    at.sessions.set(session.id, state);
    expect((await fetchThrough(at, session, `${plain.url}/a`)).status).toBe(407);
    expect(at.turnedAway).toMatchObject([{ reason: state, sessionId: session.id }]);
  });

  it('407 with a body on its way: the answer arrives whole', async () => {
    const { at, plain } = await start();
    const got = await fetchThrough(at, undefined, `${plain.url}/a`, { method: 'POST', body: randomBytes(600_000) });
    expect([got.status, got.text]).toEqual([407, '407 Proxy Authentication Required']);
  });

  it('credentials count for each plain request of a connection, not for the connection', async () => {
    const { at, plain } = await start();
    const session = at.session();
    const socket = await dial(at);
    const rest = readAll(socket);
    const first = `GET ${plain.url}/a HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`;
    socket.write(`${first}GET ${plain.url}/b HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect((await rest).text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 407']);
    expect(plain.requests).toHaveLength(1);
  });

  it('two sessions on one connection are told apart', async () => {
    const { at, plain } = await start();
    const sessions = [at.session(), at.session()];
    const socket = await dial(at);
    const rest = readAll(socket);
    for (const { authorization } of sessions) {
      socket.write(`GET ${plain.url}/a HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${authorization}\r\n\r\n`);
    }
    await until(() => at.store.records.length === 2);
    socket.destroy();
    await rest;
    expect(at.store.records.map(({ sessionId }) => sessionId)).toEqual(sessions.map(({ id }) => id));
  });

  it('nothing of ours goes upstream', async () => {
    const { at, upstream, plain } = await start();
    const session = at.session();
    await fetchThrough(at, session, `${plain.url}/a`);
    await fetchThrough(at, session, `${upstream.url}/a`);
    for (const { rawHeaders } of [...plain.requests, ...upstream.requests]) {
      const text = rawHeaders.join('\n');
      expect(text).not.toContain(session.id);
      expect(text).not.toContain(session.token);
      expect(text).not.toMatch(/proxy-|x-fetch|via|forwarded/i);
    }
  });

  it('every request of a session is told to it', async () => {
    const { at, upstream } = await start();
    const session = at.session();
    await fetchThrough(at, session, `${upstream.url}/a`);
    expect(session.touched).toBeGreaterThanOrEqual(1);
  });
});

it('an observer that throws disturbs nobody', async () => {
  const upstream = await startHttpUpstream((_request, response) => void response.end('body'));
  const at = await startTestProxy({
    observer: {
      exchangeFinished: () => {
        throw new Error('bug');
      },
    },
  });
  closing.push(at.close, upstream.close);
  const session = at.session();
  for (let i = 0; i < 2; i += 1) expect((await fetchThrough(at, session, `${upstream.url}/a`)).text).toBe('body');
});

it('a client that only speaks an old TLS is recorded', async () => {
  const { at } = await start();
  const session = at.session();
  const socket = await dial(at);
  await askConnect(socket, session, 'upstream.example:443');
  const tls = connectTls({ socket, maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' });
  await expect(new Promise((_resolve, reject) => tls.once('error', reject))).rejects.toThrow();
  await until(() => at.store.records.length === 1);
  expect((await at.report(session)).failures).toMatchObject([{ phase: 'protocol', statusCode: 0 }]);
});

describe('promise 3: revoked means over', () => {
  it.each(['strict', 'permissive'] as const)('%s: a transfer in an open tunnel stops at once', async (policy) => {
    const chunk = randomBytes(100_000);
    let isClosed = false;
    const upstream = await startHttpsUpstream((_request, response) => {
      response.writeHead(200, { 'Content-Length': String(chunk.length * 1000) });
      const timer = setInterval(() => response.write(chunk), 5);
      response.once('close', () => {
        isClosed = true;
        clearInterval(timer);
      });
    });
    const at = await startTestProxy({ upstreamCa: upstream.ca });
    closing.push(at.close, upstream.close);
    const session = at.session(policy);
    const authority = `localhost:${upstream.port}`;
    const tunnel = await openTunnel(at, session, authority);
    let received = 0;
    tunnel.on('data', (part: Buffer) => {
      received += part.length;
    });
    const closed = new Promise((resolve) => tunnel.once('close', resolve));
    tunnel.write(`GET /a HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await until(() => (policy === 'strict' ? upstream.requests.length === 1 : received > 500_000), 'the transfer');
    // session: revoked
    session.end();
    await closed;
    const atEnd = received;
    await until(() => isClosed, 'the end of the upstream connection');
    await pause(50);
    expect(received).toBe(atEnd);
    expect(at.proxy.stats()).toMatchObject({ tunnels: 0, exchanges: 0 });
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'session', statusCode: 0 }]);
    expect((await at.report(session)).downloads).toEqual([]);
  });

  it('idle tunnels, and connections in the middle of a handshake, are closed', async () => {
    const { at, upstream } = await start();
    const session = at.session();
    const tunnel = await openTunnel(at, session, `localhost:${upstream.port}`);
    const half = await dial(at);
    await askConnect(half, session, `localhost:${upstream.port}`);
    const closed = Promise.all([tunnel, half].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    session.end();
    await closed;
    await until(() => at.proxy.stats().connections === 0);
  });

  it('nothing more is served in a tunnel, and a new one is refused', async () => {
    const { at, upstream } = await start();
    const session = at.session();
    const authority = `localhost:${upstream.port}`;
    const tunnel = await openTunnel(at, session, authority);
    session.end();
    expect((await exchange(tunnel, { path: '/a', host: authority })).broken).toBeDefined();
    await expect(openTunnel(at, session, authority)).rejects.toThrow('407');
    expect(upstream.requests).toEqual([]);
  });

  it('a body that is held back does not get out any more', async () => {
    const { at, upstream } = await start();
    let inspecting = false;
    const session = at.session('strict', {
      onArtifact: async () => {
        inspecting = true;
        await pause(200);
        return { opinion: 'Approved', reason: 'too late' };
      },
    });
    const answer = fetchThrough(at, session, `${upstream.url}/a`);
    await until(() => inspecting);
    session.end();
    const got = await answer;
    expect([got.status, got.text]).toEqual([0, '']);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'session' }]);
  });

  it.each(['strict', 'permissive'] as const)(
    'elsewhere: the store takes no answer any more, and the %s client gets none',
    async (policy) => {
      const { at, upstream } = await start();
      const session = at.session(policy);
      at.store.refuses = ({ kind }) =>
        kind === 'download' ? new WaybillError('STORE_SESSION_OVER', 'it is over') : undefined;
      const got = await fetchThrough(at, session, `${upstream.url}/a`);
      expect([got.status, got.text]).toEqual([
        403,
        expect.stringContaining('the session was revoked, has expired or was ended'),
      ]);
      const report = await at.report(session);
      expect(report.downloads).toEqual([]);
      expect(report.failures).toMatchObject([{ phase: 'session' }]);
    },
  );

  it('a body that waits for its record does not get out any more', async () => {
    const { at, upstream } = await start();
    const session = at.session();
    let go = () => {};
    const wait = new Promise<void>((resolve) => {
      go = resolve;
    });
    at.store.before = () => wait;
    const answer = fetchThrough(at, session, `${upstream.url}/a`);
    await until(() => at.proxy.stats().recording > 0);
    session.end();
    go();
    const got = await answer;
    expect([got.status, got.text]).toEqual([0, '']);
  });

  it('other sessions go on', async () => {
    const { at, upstream } = await start();
    const [one, other] = [at.session(), at.session()];
    const tunnel = await openTunnel(at, other, `localhost:${upstream.port}`);
    one.end();
    expect((await exchange(tunnel, { path: '/a', host: `localhost:${upstream.port}` })).text).toBe('body');
  });
});

describe('stopping', () => {
  it('close waits for what is under way, within the grace', async () => {
    const upstream = await startHttpUpstream(async (_request, response) => {
      await pause(200);
      response.end('body');
    });
    const at = await startTestProxy();
    closing.push(upstream.close);
    const session = at.session();
    const answer = fetchThrough(at, session, `${upstream.url}/a`);
    await until(() => upstream.requests.length === 1);
    await at.proxy.close({ graceMs: 5_000 });
    expect((await answer).text).toBe('body');
    expect((await at.report(session)).downloads).toHaveLength(1);
    await expect(dial(at)).rejects.toThrow('ECONNREFUSED');
  });

  it('close breaks off what takes longer, and records it', async () => {
    const upstream = await startHttpUpstream(() => {});
    const at = await startTestProxy();
    closing.push(upstream.close);
    const session = at.session();
    const answer = fetchThrough(at, session, `${upstream.url}/a`);
    await until(() => upstream.requests.length === 1);
    await at.proxy.close({ graceMs: 50 });
    expect((await answer).broken).toBeDefined();
    expect((await at.report(session)).failures).toMatchObject([
      { reason: 'the service was stopped during the transfer' },
    ]);
    await at.proxy.close();
  });

  it('drain: answers end their connections, new ones are still taken', async () => {
    const { at, upstream, plain } = await start();
    const session = at.session();
    const authority = `localhost:${upstream.port}`;
    const tunnel = await openTunnel(at, session, authority);
    const kept = await dial(at);
    at.proxy.drain();
    const answers = [
      await exchange(tunnel, { path: '/a', host: authority }),
      await exchange(kept, { path: `${plain.url}/a`, host: 'x', session }),
      await fetchThrough(at, session, `${upstream.url}/a`),
    ];
    expect(answers.map(({ text, headers }) => [text, headers.connection])).toEqual([
      ['body', 'close'],
      ['plain body', 'close'],
      ['body', 'close'],
    ]);
    await until(() => at.proxy.stats().connections === 0);
  });

  it('close answers requests that were on their way on kept connections, and ends the others after a while', async () => {
    const { at, upstream, plain } = await start();
    const session = at.session();
    const authority = `localhost:${upstream.port}`;
    const tunnels = [await openTunnel(at, session, authority), await openTunnel(at, session, authority)] as const;
    const kept = await dial(at);
    const closed = at.proxy.close({ graceMs: 10_000, idleMs: 1_000 });
    await expect(dial(at)).rejects.toThrow('ECONNREFUSED');
    const answers = await Promise.all([
      exchange(tunnels[0], { path: '/a', host: authority }),
      exchange(kept, { path: `${plain.url}/a`, host: 'x', session }),
    ]);
    expect(answers.map(({ text, headers }) => [text, headers.connection])).toEqual([
      ['body', 'close'],
      ['plain body', 'close'],
    ]);
    const rest = await readAll(tunnels[1]);
    expect(rest.error).toBeUndefined();
    await closed;
    expect((await at.report(session)).downloads).toHaveLength(2);
  });

  it('close without kept connections does not wait', async () => {
    const { at } = await start();
    // The time limit of the test is shorter.
    await at.proxy.close({ graceMs: 60_000, idleMs: 60_000 });
    await expect(dial(at)).rejects.toThrow('ECONNREFUSED');
  });

  it('what was answered in time arrives, however late the client reads it', async () => {
    const body = randomBytes(200_000);
    const upstream = await startHttpUpstream((_request, response) => void response.end(body));
    const at = await startTestProxy();
    closing.push(upstream.close);
    const session = at.session();
    const socket = await dial(at);
    socket.write(`GET ${upstream.url}/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    await until(() => session.touched > 0 && at.proxy.stats().exchanges === 0, 'the answer is given');
    await at.proxy.close();
    const { text, error } = await readAll(socket);
    expect(error).toBeUndefined();
    expect(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1').equals(body)).toBe(true);
  });

  it('a port that is taken: an error with the next step', async () => {
    const { at } = await start();
    const again = startTestProxy({ listen: { port: at.proxy.port } });
    await expect(again).rejects.toMatchObject({
      code: 'PROXY_LISTEN_FAILED',
      message: expect.stringContaining('in use'),
      hint: expect.stringContaining('another port'),
    });
  });

  it.each([-1, 65_536, 1.5])('listening on port %s: refused', async (port) => {
    await expect(startTestProxy({ listen: { port } })).rejects.toMatchObject({ code: 'PROXY_OPTIONS_INVALID' });
  });
});
