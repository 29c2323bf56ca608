import { once } from 'node:events';
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, createServer, type Socket, type Server as TcpServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Relay, startRelay } from '../src/environments/relay.js';

const wanted = `Basic ${Buffer.from('session:tok/en').toString('base64')}`;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function portOf(server: Server | TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

async function relayTo(port: number): Promise<Relay> {
  const relay = await startRelay({
    proxyUrl: `http://session:tok%2Fen@127.0.0.1:${port}`,
    listen: { host: '127.0.0.1', port: 0 },
  });
  closers.push(() => relay.close());
  return relay;
}

/** A proxy for plain requests that remembers what it got. */
async function relayToHttp(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const seen: { url: string; headers: IncomingMessage['headers']; raw: string[] }[] = [];
  const server = createHttpServer((request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers, raw: request.rawHeaders });
    answer(request, response);
  });
  const relay = await relayTo(await portOf(server));
  return { seen, relay, server };
}

/** Sends bytes as they are and gives everything that comes back until the connection ends. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(text, 'latin1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

describe('plain requests', () => {
  it('each get the credentials, on one connection too, and lose what the client sent', async () => {
    const { seen, relay } = await relayToHttp((_request, response) => response.end('ok'));
    const one = 'GET http://a.example/1 HTTP/1.1\r\nHost: a.example\r\nProxy-Authorization: Basic bm8=\r\n\r\n';
    const two =
      'GET http://a.example/2 HTTP/1.1\r\nHost: a.example\r\nProxy-Connection: keep-alive\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\r\n';
    const text = await exchange(relay.port, one + two);
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
    expect(seen.map(({ url, headers }) => [url, headers['proxy-authorization']])).toEqual([
      ['http://a.example/1', wanted],
      ['http://a.example/2', wanted],
    ]);
    expect(seen[1]?.headers).not.toHaveProperty('x-hop');
    expect(seen[1]?.headers).not.toHaveProperty('proxy-connection');
    expect(relay.traffic).toEqual({ requests: 2, bytes: 4 });
  });

  it('pass answers on as they came: duplicate fields, reason, trailers, no date of ours', async () => {
    const { relay } = await relayToHttp((_request, response) => {
      response.sendDate = false;
      response.writeHead(200, 'Fine', ['X-Dup', '1', 'X-Dup', '2', 'Trailer', 'X-End', 'Transfer-Encoding', 'chunked']);
      response.write('body');
      response.addTrailers([['X-End', 'yes']]);
      response.end();
    });
    const text = await exchange(
      relay.port,
      'GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n',
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 Fine\r\nX-Dup: 1\r\nX-Dup: 2\r\n/);
    expect(text).toMatch(/\r\n4\r\nbody\r\n0\r\nX-End: yes\r\n\r\n$/);
    expect(text).not.toMatch(/^date:/im);
  });

  it('break off for the client when the proxy breaks off', async () => {
    const { relay } = await relayToHttp((_request, response) => {
      response.write('half');
      setTimeout(() => response.socket?.destroy(), 50);
    });
    const text = await exchange(relay.port, 'GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n');
    expect(text).toContain('half');
    expect(text).not.toContain('\r\n0\r\n');
  });

  it('stop at the proxy when the client is gone', async () => {
    const gone = Promise.withResolvers<void>();
    const { relay } = await relayToHttp((_request, response) => {
      response.once('close', () => gone.resolve());
      response.write('first');
    });
    const socket = connect(relay.port, '127.0.0.1');
    socket.write('GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
    await gone.promise;
  });

  it('carry bodies of unknown length', async () => {
    const { relay } = await relayToHttp((request, response) => request.pipe(response));
    const body = '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n';
    const text = await exchange(
      relay.port,
      `POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
    );
    expect(text.replace(/\r\n[0-9a-f]+\r\n/g, '')).toContain('hello world');
  });

  it('are sent again when the proxy had just closed the kept connection', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      const mine = ++connections;
      let requests = 0;
      socket.on('error', () => undefined);
      socket.on('data', () => {
        // The first connection takes one request and is reset by the second.
        if (mine === 1 && ++requests === 2) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    const relay = await relayTo(await portOf(server));
    const get = 'GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n';
    const text = await exchange(relay.port, `${get}${get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`);
    expect(text.match(/200 OK/g)).toHaveLength(2);
    expect(connections).toBe(2);
  });

  it.each([
    ['a path instead of a URL', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', '400'],
    ['another scheme', 'GET ftp://a.example/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', '400'],
  ])('are refused: %s', async (_name, text, status) => {
    const { relay, seen } = await relayToHttp((_request, response) => response.end());
    expect(await exchange(relay.port, text)).toContain(`HTTP/1.1 ${status} `);
    expect(seen).toEqual([]);
  });

  it.each([
    [
      'bytes beyond ASCII',
      'GET http://a.example/\xff\xfe HTTP/1.1\r\nHost: a\r\nX: \xe4\x01\r\nConnection: close\r\n\r\n',
    ],
    ['control characters', 'GET http://a.example/\x01 HTTP/1.1\r\nHost: a\r\nX: \x7f\x02\r\nConnection: close\r\n\r\n'],
    ['no HTTP', '\x16\x03\x01\x00\xff'.repeat(200)],
    ['a header without end', `GET http://a.example/ HTTP/1.1\r\nX: ${'a'.repeat(100_000)}`],
    [
      'two lengths',
      'POST http://a.example/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a CONNECT with a broken target', 'CONNECT a b HTTP/1.1\r\n\r\n'],
    ['an upgrade', 'GET http://a.example/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n'],
  ])('survive %s', async (_name, text) => {
    const { relay } = await relayToHttp((_request, response) => response.setHeader('connection', 'close').end('ok'));
    const hostile = connect(relay.port, '127.0.0.1');
    hostile.on('error', () => undefined).resume();
    hostile.write(text, 'latin1');
    await sleep(50);
    hostile.destroy();
    const fine = await exchange(relay.port, 'GET http://a.example/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(fine).toContain('200 OK');
  });

  it('survive an answer that cannot be passed on', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('HTTP/1.1 200 O\x01K\r\nX: \x02\r\nContent-Length: 0\r\n\r\n', 'latin1'));
    });
    const relay = await relayTo(await portOf(server));
    expect(
      await exchange(relay.port, 'GET http://a.example/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    ).toMatch(/^HTTP\/1\.1 (200|502) /);
  });

  it('say when the proxy is not there', async () => {
    const server = createServer();
    const port = await portOf(server);
    server.close();
    const relay = await relayTo(port);
    const plain = await exchange(relay.port, 'GET http://a.example/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(plain).toMatch(/^HTTP\/1\.1 502 Bad Gateway[\s\S]*cannot reach the session's proxy/);
    const tunnel = await exchange(relay.port, 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n');
    expect(tunnel).toMatch(/^HTTP\/1\.1 502 Bad Gateway[\s\S]*cannot reach the session's proxy/);
    expect(plain + tunnel).not.toContain('tok/en');
  });

  it('do not pile up when the client is slow', async () => {
    const { relay, server } = await relayToHttp((_request, response) => {
      const block = Buffer.alloc(1 << 16);
      const more = () => {
        while (response.write(block)) sent += block.length;
        sent += block.length;
        response.once('drain', more);
      };
      more();
    });
    let sent = 0;
    const request = httpRequest({
      port: relay.port,
      host: '127.0.0.1',
      path: 'http://a.example/',
      setHost: false,
      headers: { host: 'a' },
    }).end();
    request.on('error', () => undefined);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    await sleep(500);
    expect(sent).toBeGreaterThan(0);
    // Socket buffers of the system on both sides, little of ours.
    expect(sent).toBeLessThan(32 << 20);
    request.destroy();
    server.closeAllConnections();
  });
});

/** A proxy for tunnels, the far end in the hands of the test. */
async function relayToTunnel(accept: (socket: Socket, head: string) => void): Promise<Relay> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (chunk) => accept(socket, chunk.toString('latin1')));
  });
  return relayTo(await portOf(server));
}

describe('tunnels', () => {
  it('get the credentials once and lose what the client sent', async () => {
    let head = '';
    const relay = await relayToTunnel((socket, text) => {
      head = text;
      socket.end('HTTP/1.1 200 OK\r\n\r\nfrom afar');
    });
    const text = await exchange(
      relay.port,
      'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nUser-Agent: caf\xe9\r\nproxy-authorization: Basic bm8=\r\n\r\n',
    );
    expect(head).toBe(
      `CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nUser-Agent: caf\xe9\r\nProxy-Authorization: ${wanted}\r\n\r\n`,
    );
    expect(text).toBe('HTTP/1.1 200 OK\r\n\r\nfrom afar');
  });

  it('pass on what came in one packet with the CONNECT', async () => {
    const relay = await relayToTunnel((socket, text) => {
      const early = text.split('\r\n\r\n')[1] ?? '';
      if (early !== '') socket.end(`got ${early}`);
      else socket.once('data', (chunk) => socket.end(`got ${chunk}`));
    });
    expect(await exchange(relay.port, 'CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\nhello')).toBe('got hello');
  });

  it('pass a refusal on', async () => {
    const relay = await relayToTunnel((socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'));
    expect(await exchange(relay.port, 'CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n')).toBe(
      'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno',
    );
  });

  it('deliver everything to a slow client that has closed its side', async () => {
    const size = 8 << 20;
    const relay = await relayToTunnel((socket) => {
      socket.resume();
      socket.once('end', () => socket.end(Buffer.alloc(size, 'x')));
    });
    const client = connect({ port: relay.port, host: '127.0.0.1', allowHalfOpen: true });
    client.end('CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n');
    client.pause();
    await sleep(300);
    let received = 0;
    client.on('data', (chunk) => {
      received += chunk.length;
    });
    client.resume();
    await once(client, 'end');
    expect(received).toBe(size);
    client.destroy();
  });

  it('break when the far end breaks', async () => {
    const relay = await relayToTunnel((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      setTimeout(() => socket.resetAndDestroy(), 50);
    });
    const client = connect(relay.port, '127.0.0.1');
    client.write('CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n');
    client.resume();
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });

  it('end at the proxy when the client is gone', async () => {
    const gone = Promise.withResolvers<void>();
    const relay = await relayToTunnel((socket) => {
      socket.once('close', () => gone.resolve());
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.resume();
    });
    const client = connect(relay.port, '127.0.0.1');
    client.write('CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(client, 'data');
    client.resetAndDestroy();
    await gone.promise;
  });

  it('do not pile up when the client is slow', async () => {
    let sent = 0;
    const relay = await relayToTunnel((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const block = Buffer.alloc(1 << 16);
      const more = () => {
        do sent += block.length;
        while (socket.write(block));
        socket.once('drain', more);
      };
      more();
    });
    const client = connect(relay.port, '127.0.0.1');
    client.write('CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n');
    client.pause();
    await sleep(500);
    expect(sent).toBeLessThan(32 << 20);
    client.destroy();
  });

  it('end when the relay closes', async () => {
    const relay = await relayToTunnel((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    const client = connect(relay.port, '127.0.0.1');
    client.on('error', () => undefined);
    client.write('CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(client, 'data');
    await Promise.all([once(client, 'close'), relay.close()]);
    await relay.close();
  });
});
