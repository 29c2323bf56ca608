import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, constants, type SecureClientSessionOptions } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { silentLogger } from '@waybill/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { arrivalOf } from '../src/http/arrivals.js';
import { bodyOf } from '../src/http/body.js';
import { type Listener, type ListenerOptions, openListener, type RequestHandler } from '../src/listen/listener.js';
import { type CertificateFiles, certificateDigest, makeCertificate } from './certificates.js';

let directory: string;
let ca: CertificateFiles;
let server: CertificateFiles;
let client: CertificateFiles;
let stranger: CertificateFiles;
const open: Listener[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-listener-'));
  ca = await makeCertificate(directory, 'ca');
  [server, client] = [await makeCertificate(directory, 'server', ca), await makeCertificate(directory, 'client', ca)];
  stranger = await makeCertificate(directory, 'stranger');
});
afterAll(() => rm(directory, { recursive: true, force: true }));
afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close(0);
});

/** Says how the request came, once its body is there. */
const tell: RequestHandler = async (request, response) => {
  const body = await text(request).catch((error: Error) => `failed: ${error.message}`);
  const { certificate, address, listener } = arrivalOf(request);
  const answer = { version: request.httpVersion, body, certificate, address, anonymous: listener.anonymous };
  (response as import('node:http').ServerResponse).end(JSON.stringify(answer));
};

async function start(options: Partial<ListenerOptions> = {}): Promise<Listener> {
  const listener = await openListener({
    host: '127.0.0.1',
    port: 0,
    rules: { anonymous: 'read' },
    http: tell,
    log: silentLogger,
    ...options,
  });
  open.push(listener);
  return listener;
}

async function overHttp1(url: string, options: object = {}, body = ''): Promise<Record<string, unknown>> {
  const send = url.startsWith('https') ? httpsRequest : httpRequest;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = send(url, { method: 'POST', agent: false, ...options }, resolve).on('error', reject);
  request.end(body);
  return JSON.parse(await text(await promise));
}

async function overHttp2(
  url: string,
  options: SecureClientSessionOptions = {},
  headers: Record<string, string> = {},
): Promise<Record<string, unknown>> {
  const session = connectHttp2(url, options);
  const failed = new Promise<never>((_resolve, reject) => session.on('error', reject));
  const stream = session.request({ ':method': 'POST', ':path': '/', ...headers });
  stream.end('over h2');
  try {
    return JSON.parse(await Promise.race([text(stream), failed]));
  } finally {
    session.destroy();
  }
}

async function take(body: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of body) void chunk;
}

/** What comes until the other side closes. */
async function untilClosed(socket: Socket): Promise<string> {
  let all = '';
  socket.on('data', (chunk) => {
    all += chunk;
  });
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return all;
}

describe('one port without TLS', () => {
  it('takes HTTP/1.1 and HTTP/2', async () => {
    const { url } = await start();
    expect(await overHttp1(url, {}, 'over h1')).toMatchObject({
      version: '1.1',
      body: 'over h1',
      address: '127.0.0.1',
      anonymous: 'read',
    });
    expect(await overHttp2(url)).toMatchObject({ version: '2.0', body: 'over h2', address: '127.0.0.1' });
  });

  it('tells them apart also when the first bytes come one by one', async () => {
    const { port } = await start();
    const socket = connect(port, '127.0.0.1');
    const answer = untilClosed(socket);
    for (const byte of 'PUT / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok') {
      await new Promise<void>((resolve) => socket.write(byte, () => resolve()));
    }
    expect(await answer).toContain('"body":"ok"');
  });

  it('gives gRPC to its own handler', async () => {
    const { url } = await start({
      grpc: (_request, response) => (response as import('node:http').ServerResponse).end('{"grpc":true}'),
    });
    expect(await overHttp2(url, {}, { 'content-type': 'application/grpc+proto' })).toEqual({ grpc: true });
    expect(await overHttp2(url)).toMatchObject({ body: 'over h2' });
  });

  it('answers what is no HTTP with 400 and goes on', async () => {
    const { port, url } = await start();
    const socket = connect(port, '127.0.0.1');
    const answer = untilClosed(socket);
    socket.write('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 what a TLS client says');
    expect(await answer).toMatch(/^HTTP\/1.1 400/);
    expect(await overHttp1(url)).toMatchObject({ version: '1.1' });
  });

  it('closes on clients that never finish their header, or never say a word', async () => {
    const { port, url } = await start({ times: { headerMs: 300 } });
    const slow = connect(port, '127.0.0.1');
    const silent = connect(port, '127.0.0.1');
    const answers = Promise.all([untilClosed(slow), untilClosed(silent)]);
    slow.write('GET / HTTP/1.1\r\nhost: ');
    expect((await answers)[1]).toBe('');
    expect(await overHttp1(url)).toMatchObject({ version: '1.1' });
  });

  it('ends a body that does not move on, of either version', async () => {
    const bodies: string[] = [];
    const { port, url } = await start({
      times: { bodyCheckMs: 100, bodyCheckBytes: 10 },
      http: (request, response) => {
        take(bodyOf(request)).then(
          () => bodies.push('whole'),
          () => bodies.push('cut'),
        );
        request.once('close', () => response.end());
      },
    });
    const socket = connect(port, '127.0.0.1');
    const closed = untilClosed(socket);
    socket.write('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10737418240\r\n\r\nonly this');
    await closed;
    const session = connectHttp2(url);
    const stream = session.request({ ':method': 'PUT', ':path': '/' });
    stream.on('error', () => {}).resume();
    stream.write('only this');
    await new Promise<void>((resolve) => stream.once('close', () => resolve()));
    session.destroy();
    await vi.waitFor(() => expect(bodies).toEqual(['cut', 'cut']), 30_000);
  });

  it.each(['reset', 'gone'])('does not take a body for whole that an HTTP/2 client gave up: %s', async (how) => {
    const bodies: string[] = [];
    const begun = Promise.withResolvers<void>();
    const { url } = await start({
      http: async (request) => {
        try {
          for await (const chunk of bodyOf(request)) begun.resolve(void chunk);
          bodies.push('whole');
        } catch {
          bodies.push('cut');
        }
      },
    });
    const session = connectHttp2(url).on('error', () => {});
    // Node's client ends a body before it resets a stream, so that only the announced length tells.
    const announced = how === 'reset' ? { 'content-length': '10' } : {};
    const stream = session.request({ ':method': 'PUT', ':path': '/', ...announced }).on('error', () => {});
    stream.write('some');
    await begun.promise;
    if (how === 'reset') stream.close(constants.NGHTTP2_CANCEL);
    else session.destroy();
    await vi.waitFor(() => expect(bodies).toEqual(['cut']), 30_000);
    session.destroy();
  });

  it('serves a thousand connections at once', async () => {
    const { port, url } = await start();
    const idle = await Promise.all(
      Array.from({ length: 1000 }, async () => {
        const socket = connect(port, '127.0.0.1').on('error', () => {});
        await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
        return socket;
      }),
    );
    expect(await overHttp1(url)).toMatchObject({ version: '1.1' });
    const answers = idle.map(untilClosed);
    for (const socket of idle) socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    expect((await Promise.all(answers)).filter((answer) => answer.includes('"version":"1.1"'))).toHaveLength(1000);
  });

  it('lets requests under way end when it is closed, and takes no more', async () => {
    const reached = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const listener = await start({
      http: async (_request, response) => {
        reached.resolve();
        await answer.promise;
        (response as import('node:http').ServerResponse).end('{"late":true}');
      },
    });
    const under = overHttp1(listener.url);
    under.catch(() => {});
    await reached.promise;
    const closed = listener.close(60_000);
    await expect(overHttp1(listener.url)).rejects.toThrow();
    answer.resolve();
    expect(await under).toEqual({ late: true });
    await closed;
  });
});

describe('one port with TLS', () => {
  const trusting = async () => ({ ca: await readFile(ca.cert) });

  it('takes HTTP/2 and HTTP/1.1 by ALPN, and HTTP/1.1 without', async () => {
    const { url, port } = await start({ tls: server });
    expect(await overHttp1(url, await trusting())).toMatchObject({ version: '1.1' });
    expect(await overHttp2(url, await trusting())).toMatchObject({ version: '2.0' });
    const socket = connectTls({ port, host: '127.0.0.1', ...(await trusting()) });
    const answer = untilClosed(socket);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    expect(await answer).toContain('"version":"1.1"');
  });

  it('refuses TLS 1.1', async () => {
    const { port } = await start({ tls: server });
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ...(await trusting()),
    });
    const error = await new Promise<Error>((resolve) => socket.once('error', resolve));
    expect(error.message).toMatch(/version|protocol/i);
  });

  it('passes on a certificate of its client CA; nobody needs one', async () => {
    const { url } = await start({ tls: { ...server, clientCa: ca.cert } });
    const shown = { ...(await trusting()), cert: await readFile(client.cert), key: await readFile(client.key) };
    const certificate = { sha256: await certificateDigest(client.cert), name: 'client' };
    expect(await overHttp1(url, shown)).toMatchObject({ certificate });
    expect(await overHttp2(url, shown)).toMatchObject({ certificate });
    expect((await overHttp1(url, await trusting())).certificate).toBeUndefined();
  });

  it('closes on a certificate of another CA, and on none where one is required', async () => {
    const optional = await start({ tls: { ...server, clientCa: ca.cert } });
    const shown = { ...(await trusting()), cert: await readFile(stranger.cert), key: await readFile(stranger.key) };
    await expect(overHttp1(optional.url, shown)).rejects.toThrow();
    await expect(overHttp2(optional.url, shown)).rejects.toThrow();
    const required = await start({ tls: { ...server, clientCa: ca.cert, requireClient: true } });
    await expect(overHttp1(required.url, await trusting())).rejects.toThrow();
  });

  it('takes a new certificate without dropping connections, and keeps the old one when the new is no good', async () => {
    const files = { cert: join(directory, 'live.pem'), key: join(directory, 'live.key') };
    await copyFile(server.cert, files.cert);
    await copyFile(server.key, files.key);
    const listener = await start({ tls: files });
    const shownTo = async () => {
      const socket = connectTls({ port: listener.port, host: '127.0.0.1', ...(await trusting()) });
      await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      return subject.CN;
    };
    const kept = connectHttp2(listener.url, await trusting());
    await new Promise<void>((resolve) => kept.once('connect', () => resolve()));
    const next = await makeCertificate(directory, 'next', ca);
    await copyFile(next.cert, files.cert);
    await expect(listener.reloadTls()).rejects.toMatchObject({ code: 'SERVER_TLS_INVALID' });
    expect(await shownTo()).toBe('server');
    await copyFile(next.key, files.key);
    await listener.reloadTls();
    expect(await shownTo()).toBe('next');
    expect(await text(kept.request({ ':path': '/' }))).toContain('2.0');
    kept.destroy();
  });

  it('says what is wrong with files at the start', async () => {
    const missing = openListener({
      host: '127.0.0.1',
      port: 0,
      rules: { anonymous: 'none' },
      tls: { cert: join(directory, 'none.pem'), key: server.key },
      http: tell,
      log: silentLogger,
    });
    await expect(missing).rejects.toMatchObject({ code: 'SERVER_TLS_INVALID' });
    await expect(start({ tls: { cert: server.cert, key: client.key } })).rejects.toMatchObject({
      code: 'SERVER_TLS_INVALID',
    });
  });
});

it('says that a port is taken', async () => {
  const { port } = await start();
  await expect(start({ port })).rejects.toMatchObject({ code: 'SERVER_LISTEN_FAILED', hint: /another port/ });
});

describe('a client that waits with its body', () => {
  /** Sends a head and, when it is told to go on, the body; what came back and whether the body was wanted. */
  async function ask(listener: Listener, head: string, body: string) {
    const socket = connect(listener.port, '127.0.0.1');
    socket.setEncoding('latin1');
    socket.write(head);
    let got = '';
    let isWanted = false;
    for await (const chunk of socket) {
      got += chunk;
      if (!isWanted && got.startsWith('HTTP/1.1 100')) {
        isWanted = true;
        socket.write(body);
      }
      if (got.includes('\r\n\r\n{') || got.includes('refused')) break;
    }
    socket.destroy();
    return { got, isWanted };
  }
  const head = 'PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n';

  it('is told to send it when somebody reads', async () => {
    const { got, isWanted } = await ask(await start(), head, 'body');
    expect([isWanted, got.includes('"body":"body"')]).toEqual([true, true]);
    expect(got).toMatch(/Connection: keep-alive/i);
  });

  it('keeps it when the answer needs none, and begins anew', async () => {
    const refuse: RequestHandler = (_request, response) => {
      (response as import('node:http').ServerResponse).writeHead(403).end('refused');
    };
    const { got, isWanted } = await ask(await start({ http: refuse }), head, 'body');
    expect([isWanted, got.split('\r\n')[0]]).toEqual([false, 'HTTP/1.1 403 Forbidden']);
    expect(got).toMatch(/Connection: close/i);
  });

  it('is told so over HTTP/2 as well', async () => {
    const listener = await start();
    const session = connectHttp2(`http://127.0.0.1:${listener.port}`);
    const stream = session.request({ ':method': 'PUT', ':path': '/', expect: '100-continue' }, { endStream: false });
    stream.once('continue', () => stream.end('body'));
    const answer = JSON.parse(await text(stream));
    session.close();
    expect(answer).toMatchObject({ version: '2.0', body: 'body' });
  });
});
