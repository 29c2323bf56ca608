import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { text as readText } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { dial, fetchThrough, readAll } from './client.js';
import { startTestProxy } from './harness.js';
import { until } from './until.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Limit of the fake session's `inspectedRequestBytes`. */
const limit = 64 * 1024;

async function start() {
  const bodies: Buffer[] = [];
  const upstream = await startHttpUpstream(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    bodies.push(Buffer.concat(parts));
    response.end('done');
  });
  const at = await startTestProxy();
  closing.push(at.close, upstream.close);
  return { at, upstream, bodies };
}

describe.each(['strict', 'permissive'] as const)('a request body in a %s session', (policy) => {
  it.each([
    ['with a length', 'Content-Length'],
    ['in chunks', 'Transfer-Encoding'],
  ])('within the limit, %s: inspectors see it whole, the upstream gets it with its length', async (_name, framing) => {
    const { at, upstream, bodies } = await start();
    const session = at.session(policy);
    const body = randomBytes(limit);
    const headers = framing === 'Transfer-Encoding' ? { [framing]: 'chunked' } : {};
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { method: 'POST', body, headers });
    expect(got.text).toBe('done');
    expect(Buffer.from(session.inspected.requests[0]?.body ?? []).equals(body)).toBe(true);
    expect(bodies[0]?.equals(body)).toBe(true);
    expect(upstream.requests[0]?.header('content-length')).toBe(String(body.length));
  });

  it('gzipped, as git sends it: inspectors see it decoded, the upstream gets it as it came', async () => {
    const { at, upstream, bodies } = await start();
    const session = at.session(policy);
    const body = gzipSync('want 0123');
    await fetchThrough(at, session, `${upstream.url}/a`, {
      method: 'POST',
      body,
      headers: { 'Content-Encoding': 'gzip' },
    });
    expect(Buffer.from(session.inspected.requests[0]?.body ?? []).toString()).toBe('want 0123');
    expect(bodies[0]?.equals(body)).toBe(true);
    expect(upstream.requests[0]?.header('content-encoding')).toBe('gzip');
  });

  it.each([
    ['none', 'GET', undefined],
    ['an empty one', 'POST', ''],
  ])('%s: undefined for inspectors', async (_name, method, body) => {
    const { at, upstream } = await start();
    const session = at.session(policy);
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { method, ...(body !== undefined && { body }) });
    expect(got.text).toBe('done');
    expect(session.inspected.requests[0]?.body).toBeUndefined();
    if (method === 'POST') expect(upstream.requests[0]?.header('content-length')).toBe('0');
  });

  it('a GET with a body: carried', async () => {
    const { at, upstream, bodies } = await start();
    const session = at.session(policy);
    expect((await fetchThrough(at, session, `${upstream.url}/a`, { body: 'query' })).text).toBe('done');
    expect(bodies[0]?.toString()).toBe('query');
  });

  it('Expect: 100-continue: asked for, then carried', async () => {
    const { at, upstream, bodies } = await start();
    const session = at.session(policy);
    const got = await sendExpecting(at, session.authorization, `${upstream.url}/a`, Buffer.from('patience'));
    expect(got).toEqual({ continued: true, status: 200, text: 'done' });
    expect(bodies[0]?.toString()).toBe('patience');
    expect(upstream.requests[0]?.header('expect')).toBeUndefined();
  });

  it('Expect: 100-continue without credentials: 407, the body is never asked for', async () => {
    const { at, upstream } = await start();
    const got = await sendExpecting(at, 'Basic eDp5', `${upstream.url}/a`, Buffer.from('x'));
    expect(got).toMatchObject({ continued: false, status: 407 });
  });

  it('a client that vanishes in the middle of its body: recorded, nothing goes upstream', async () => {
    const { at, upstream } = await start();
    const session = at.session(policy);
    const socket = await dial(at);
    socket.write(
      `POST ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nProxy-Authorization: ${session.authorization}\r\n\r\nabc`,
    );
    await until(() => at.proxy.stats().exchanges === 1);
    socket.destroy();
    await until(() => at.store.records.length === 1);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'client', statusCode: 0 }]);
    expect(upstream.requests).toEqual([]);
  });
});

describe('a request body over the limit', () => {
  it.each([
    ['announced', {}],
    ['in chunks', { 'Transfer-Encoding': 'chunked' }],
  ])('%s: strict answers 413 with the reason, recorded; nothing goes upstream', async (_name, headers) => {
    const { at, upstream } = await start();
    const session = at.session('strict');
    const got = await fetchThrough(at, session, `${upstream.url}/a`, {
      method: 'POST',
      body: randomBytes(limit * 3),
      headers,
    });
    expect(got.status).toBe(413);
    expect(got.text).toMatch(
      /^Request body too large: the request body is larger than 65536 bytes .*inspected-request-bytes/,
    );
    expect(upstream.requests).toEqual([]);
    expect((await at.report(session)).refusals).toMatchObject([{ phase: 'request', statusCode: 413 }]);
  });

  it('with Expect: 100-continue: strict answers 413 without asking for it', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict');
    const got = await sendExpecting(at, session.authorization, `${upstream.url}/a`, randomBytes(limit * 2));
    expect(got).toMatchObject({ continued: false, status: 413 });
  });

  it.each([
    ['announced', {}],
    ['in chunks', { 'Transfer-Encoding': 'chunked' }],
  ])('%s: permissive streams it upstream, unseen by inspectors', async (_name, headers) => {
    const { at, upstream, bodies } = await start();
    const session = at.session('permissive');
    const body = randomBytes(5_000_000);
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { method: 'POST', body, headers });
    expect(got.text).toBe('done');
    expect(bodies[0]?.equals(body)).toBe(true);
    expect(session.inspected.requests[0]?.body).toBeUndefined();
    const isChunked = 'Transfer-Encoding' in headers;
    expect(upstream.requests[0]?.header('content-length')).toBe(isChunked ? undefined : String(body.length));
  });

  it('an upstream that answers before the upload is over: its answer gets to the client', async () => {
    const upstream = await startHttpUpstream((_request, response) => void response.writeHead(403).end());
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('permissive');
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { method: 'POST', body: randomBytes(200_000) });
    expect(got.status).toBe(403);
  });

  it('an upstream that goes away in the middle of the upload: 502, recorded, the connection is not left hanging', async () => {
    const upstream = await startHttpUpstream((request) => void request.socket.destroy());
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('permissive');
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { method: 'PUT', body: randomBytes(3_000_000) });
    expect(got.status === 502 || got.broken !== undefined).toBe(true);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'upstream' }]);
    await until(() => at.proxy.stats().connections === 0);
  });

  it('a client that vanishes in the middle of the upload: the upstream sees a broken request', async () => {
    let isAborted = false;
    const upstream = await startHttpUpstream((request) => {
      request.resume();
      request.once('aborted', () => {
        isAborted = true;
      });
      request.on('error', () => {});
    });
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('permissive');
    const socket = await dial(at);
    socket.write(
      `PUT ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`,
    );
    socket.write(randomBytes(200_000));
    await until(() => upstream.requests.length === 1);
    socket.destroy();
    await until(() => isAborted, 'the end of the request');
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'client' }]);
  });
});

describe('a body that is not what its Content-Encoding says', () => {
  it.each([
    ['no gzip', 'gzip', Buffer.from('plain'), 400],
    ['an unknown coding', 'x-own', Buffer.from('plain'), 400],
    ['more than the limit once decoded', 'gzip', gzipSync(Buffer.alloc(limit * 10)), 413],
  ])('%s: strict refuses, permissive passes it on unseen', async (_name, coding, body, status) => {
    const { at, upstream, bodies } = await start();
    const how = { method: 'POST', body, headers: { 'Content-Encoding': coding } };
    const strict = at.session('strict');
    expect((await fetchThrough(at, strict, `${upstream.url}/a`, how)).status).toBe(status);
    expect(bodies).toEqual([]);
    const permissive = at.session('permissive');
    expect((await fetchThrough(at, permissive, `${upstream.url}/a`, how)).text).toBe('done');
    expect(bodies[0]?.equals(body)).toBe(true);
    expect(permissive.inspected.requests[0]?.body).toBeUndefined();
  });
});

it('the destination upstream sees is the normalised one that was judged', async () => {
  const { at, upstream } = await start();
  const session = at.session();
  const socket = await dial(at);
  const rest = readAll(socket);
  socket.write(
    `GET ${upstream.url}/allowed/../secret/%2e%2e/a%2fb?q=../x HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`,
  );
  expect((await rest).text).toMatch(/^HTTP\/1\.1 200 /);
  expect(session.inspected.requests[0]?.normalizedUrl).toBe(`${upstream.url}/a%2fb?q=../x`);
  expect(upstream.requests).toMatchObject([{ target: '/a%2fb?q=../x' }]);
  expect(upstream.requests[0]?.header('host')).toBe(`127.0.0.1:${upstream.port}`);
});

async function sendExpecting(
  { proxy }: Awaited<ReturnType<typeof startTestProxy>>,
  authorization: string,
  url: string,
  body: Buffer,
): Promise<{ continued: boolean; status: number; text: string }> {
  let continued = false;
  const request = httpRequest({
    host: proxy.host,
    port: proxy.port,
    method: 'PUT',
    path: url,
    agent: false,
    headers: {
      host: 'x',
      'proxy-authorization': authorization,
      expect: '100-continue',
      'content-length': String(body.length),
    },
  });
  request.once('continue', () => {
    continued = true;
    request.end(body);
  });
  request.flushHeaders();
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
  });
  const text = await readText(response);
  request.destroy();
  return { continued, status: response.statusCode ?? 0, text };
}
