import { createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { createThrowawayCa, startHttpsUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { askConnect, dial, exchange, fetchThrough } from './client.js';
import { startTestProxy, type TestProxy } from './harness.js';
import { until } from './until.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A client that brings its own idea of TLS into a tunnel. */
describe('TLS of a client', () => {
  async function start() {
    const upstream = await startHttpsUpstream((_request, response) => void response.end('body'));
    const at = await startTestProxy({ upstreamCa: upstream.ca });
    closing.push(upstream.close, at.close);
    return { at, upstream, host: `localhost:${upstream.port}` };
  }

  const tickets = new WeakMap<TLSSocket, Buffer>();

  async function handshake(at: TestProxy, authority: string, how: ConnectionOptions): Promise<TLSSocket | Error> {
    const socket = await dial(at);
    const head = await askConnect(socket, at.session(), authority);
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    return new Promise((resolve) => {
      const tls = connectTls({
        socket,
        ca: [at.ca.certificatePem],
        servername: 'localhost',
        checkServerIdentity: () => undefined,
        ...how,
      });
      tls.once('secureConnect', () => resolve(tls));
      tls.on('session', (ticket: Buffer) => tickets.set(tls, ticket));
      tls.on('error', resolve);
      tls.once('close', () => resolve(new Error('closed')));
      closing.push(() => tls.destroy());
    });
  }

  it.each<[string, ConnectionOptions]>([
    ['TLS 1.0', { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }],
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }],
    ['ciphers without authentication', { maxVersion: 'TLSv1.2', ciphers: 'aNULL:@SECLEVEL=0' }],
    ['ciphers without encryption', { maxVersion: 'TLSv1.2', ciphers: 'eNULL:@SECLEVEL=0' }],
    ['key exchange without forward secrecy', { maxVersion: 'TLSv1.2', ciphers: 'kRSA:@SECLEVEL=0' }],
    ['only protocols that we do not speak (ALPN)', { ALPNProtocols: ['ftp', 'imap'] }],
  ])('with nothing but %s: no connection', async (_name, how) => {
    const { at, upstream, host } = await start();
    expect(await handshake(at, host, how)).toBeInstanceOf(Error);
    expect(upstream.requests).toEqual([]);
  });

  it.each([['TLSv1.2'], ['TLSv1.3']] as const)('with %s and modern ciphers: a connection', async (version) => {
    const { at, host } = await start();
    const tls = (await handshake(at, host, { minVersion: version, maxVersion: version })) as TLSSocket;
    expect(tls.getProtocol()).toBe(version);
    expect(tls.getCipher().name).toMatch(/GCM|CHACHA20|CCM|SHA384|SHA256/);
    expect((await exchange(tls, { path: '/a', host })).text).toBe('body');
  });

  it('renegotiation is refused', async () => {
    const { at, host } = await start();
    const tls = (await handshake(at, host, { maxVersion: 'TLSv1.2' })) as TLSSocket;
    const error = await new Promise((resolve) => {
      tls.once('error', resolve);
      tls.renegotiate({}, resolve);
    });
    expect(error).toBeInstanceOf(Error);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('a ticket of one host opens no other (%s)', async (version) => {
    const { at, host } = await start();
    const how = { minVersion: version, maxVersion: version };
    const first = (await handshake(at, host, how)) as TLSSocket;
    // Tickets of TLS 1.3 come behind the handshake.
    await exchange(first, { path: '/a', host });
    await until(() => tickets.has(first), 'a ticket');
    const session = tickets.get(first);
    const other = (await handshake(at, 'other.example:443', {
      ...how,
      session,
      servername: 'other.example',
    })) as TLSSocket;
    expect(other.isSessionReused()).toBe(false);
    expect(other.getPeerX509Certificate()?.checkHost('other.example')).toBe('other.example');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a ticket does not carry another server name past the check (%s)',
    async (version) => {
      const { at, upstream, host } = await start();
      const how = { minVersion: version, maxVersion: version };
      const first = (await handshake(at, host, how)) as TLSSocket;
      await exchange(first, { path: '/a', host });
      await until(() => tickets.has(first), 'a ticket');
      const session = tickets.get(first);
      const again = (await handshake(at, host, { ...how, session, servername: 'evil.example' })) as TLSSocket;
      expect((await exchange(again, { path: '/b', host })).status).toBe(421);
      expect(upstream.requests).toHaveLength(1);
    },
  );

  it.each([
    ['none', undefined, 200],
    ['another case', 'LocalHost', 200],
    ['a trailing dot', 'localhost.', 200],
    ['a name of two hundred characters', `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.example`, 421],
    ['a name that begins alike', 'localhost.evil.example', 421],
    ['a wildcard', '*', 421],
  ])('server name %s: judged', async (_name, servername, status) => {
    const { at, upstream, host } = await start();
    const tls = await handshake(at, host, { servername: servername ?? '' });
    // Some are refused in the handshake already.
    const answer = tls instanceof Error ? { status: 421 } : await exchange(tls, { path: '/a', host });
    expect(answer.status).toBe(status);
    expect(upstream.requests).toHaveLength(status === 200 ? 1 : 0);
  });
});

/** An upstream that would speak weak TLS, or TLS for somebody else. */
describe('TLS of an upstream', () => {
  /** Answers each ClientHello with these bytes. */
  async function startHello(answer: Buffer): Promise<number> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('data', () => socket.write(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    return (server.address() as { port: number }).port;
  }

  /** A ServerHello without extensions (RFC 5246 §7.4.1.3). */
  function serverHello(version: number, cipher: number, compression = 0): Buffer {
    const body = Buffer.alloc(38);
    body.writeUInt16BE(version, 0);
    body.writeUInt8(0, 34);
    body.writeUInt16BE(cipher, 35);
    body.writeUInt8(compression, 37);
    const handshake = Buffer.concat([Buffer.from([2, 0, 0, body.length]), body]);
    const record = Buffer.from([22, version >> 8, version & 255, 0, handshake.length]);
    return Buffer.concat([record, handshake]);
  }

  it.each([
    ['SSL 3.0', serverHello(0x0300, 0x002f)],
    ['TLS 1.0', serverHello(0x0301, 0x002f)],
    ['TLS 1.1', serverHello(0x0302, 0x002f)],
    ['RC4', serverHello(0x0303, 0x0005)],
    ['no encryption', serverHello(0x0303, 0x0002)],
    ['an anonymous key exchange', serverHello(0x0303, 0x0034)],
    ['export ciphers', serverHello(0x0303, 0x0003)],
    ['compression', serverHello(0x0303, 0xc02b, 1)],
  ])('that chooses %s: 502, nothing is sent', async (_name, hello) => {
    const port = await startHello(hello);
    const at = await startTestProxy();
    closing.push(at.close);
    const session = at.session('permissive');
    const got = await fetchThrough(at, session, `https://127.0.0.1:${port}/a`);
    expect([got.status, got.text]).toEqual([502, expect.stringContaining('no TLS with')]);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'upstream' }]);
  });

  it('a handshake with one name does not open another of the same server', async () => {
    const ca = await createThrowawayCa();
    // One server, whose certificate is always that of one.example.
    const serves = { ...ca, contextFor: () => ca.contextFor('one.example') };
    const upstream = await startHttpsUpstream((_request, response) => void response.end('body'), { ca: serves });
    const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
    const at = await startTestProxy({ upstreamCa: ca, upstream: { lookup } });
    closing.push(upstream.close, at.close);
    for (const round of [1, 2]) {
      const right = await fetchThrough(at, at.session(), `https://one.example:${upstream.port}/${round}`);
      expect(right.text).toBe('body');
      const wrong = await fetchThrough(at, at.session(), `https://two.example:${upstream.port}/${round}`);
      expect([wrong.status, wrong.text]).toEqual([502, expect.stringContaining('is for another name')]);
    }
  });
});
