import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { FakeSession } from './fake-session.js';
import type { TestProxy } from './harness.js';

/** An answer as the client got it. */
export interface ClientAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly rawTrailers: readonly string[];
  readonly body: Buffer;
  readonly text: string;
  /** The transfer was broken off: code of the error. */
  readonly broken: string | undefined;
}

/** What to send. */
export interface ClientRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | readonly string[];
  readonly body?: string | Uint8Array;
  /** Server name of the handshake; default the host of the URL. */
  readonly serverName?: string;
}

/** Sends one request through the proxy, plain or in a tunnel of its own, and reads the whole answer. */
export async function fetchThrough(
  at: TestProxy,
  session: FakeSession | undefined,
  url: string,
  how: ClientRequest = {},
): Promise<ClientAnswer> {
  const { protocol, hostname, port, pathname, search, host } = new URL(url);
  if (protocol === 'http:') return exchange(await dial(at), { ...how, path: url, host, session });
  const tunnel = await openTunnel(at, session, `${hostname}:${port || 443}`, how.serverName);
  return exchange(tunnel, { ...how, path: pathname + search, host });
}

/** A TCP connection to the proxy. */
export async function dial({ proxy }: TestProxy): Promise<Socket> {
  const socket = connectSocket({ host: proxy.host, port: proxy.port, noDelay: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('error', () => {});
  return socket;
}

/** A decrypted tunnel to `authority` through the proxy. */
export async function openTunnel(
  at: TestProxy,
  session: FakeSession | undefined,
  authority: string,
  serverName = nameOf(authority),
): Promise<TLSSocket> {
  const socket = await dial(at);
  const head = await askConnect(socket, session, authority);
  if (!/^HTTP\/1\.1 200 /.test(head)) throw new Error(`CONNECT refused: ${head.split('\r\n', 1)[0]}`);
  return secure(socket, at, serverName);
}

/** Writes a CONNECT and waits for the head of its answer. */
export async function askConnect(socket: Socket, session: FakeSession | undefined, authority: string): Promise<string> {
  const credentials = session ? `Proxy-Authorization: ${session.authorization}\r\n` : '';
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`);
  return readUntil(socket, '\r\n\r\n');
}

/** TLS on top of a tunnel, trusting the proxy's root only. */
export async function secure(socket: Socket, at: TestProxy, serverName: string | undefined): Promise<TLSSocket> {
  const tls = connectTls({
    socket,
    ca: [at.ca.certificatePem],
    ...(serverName !== undefined && { servername: serverName }),
    ALPNProtocols: ['h2', 'http/1.1'],
    checkServerIdentity: () => undefined,
  });
  await new Promise((resolve, reject) => tls.once('secureConnect', resolve).once('error', reject));
  tls.on('error', () => {});
  return tls;
}

/** Reads text up to and with a mark; rejects when the connection ends before. */
export function readUntil(socket: Socket, mark: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onReadable = () => {
      for (let byte = socket.read(1) as Buffer | null; byte; byte = socket.read(1) as Buffer | null) {
        text += byte.toString('latin1');
        if (!text.endsWith(mark)) continue;
        done();
        return resolve(text);
      }
    };
    const onEnd = () => {
      done();
      reject(new Error(`the connection ended after ${JSON.stringify(text)}`));
    };
    const done = () => {
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd);
    };
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd);
    onReadable();
  });
}

/** Everything that comes until the connection is closed, and how it was closed. */
export function readAll(socket: Socket): Promise<{ readonly text: string; readonly error: string | undefined }> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let error: string | undefined;
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('error', (fault: NodeJS.ErrnoException) => {
      error = fault.code;
    });
    socket.once('close', () => resolve({ text: Buffer.concat(parts).toString('latin1'), error }));
  });
}

interface Sending extends ClientRequest {
  readonly path: string;
  readonly host: string;
  readonly session?: FakeSession | undefined;
}

/** One request on a connection that leads to the proxy or through it. */
export function exchange(
  socket: Socket,
  { path, host, session, method = 'GET', headers = {}, body }: Sending,
): Promise<ClientAnswer> {
  const own = Array.isArray(headers) ? headers : Object.entries(headers as Record<string, string>).flat(1);
  const raw = ['Host', host, ...(own as string[])];
  if (session) raw.push('Proxy-Authorization', session.authorization);
  if (body !== undefined && !raw.some((name) => /^(content-length|transfer-encoding)$/i.test(name))) {
    raw.push('Content-Length', String(Buffer.byteLength(body)));
  }
  return new Promise((resolve) => {
    const request = httpRequest({
      createConnection: () => socket,
      method,
      path,
      headers: raw as unknown as Record<string, string>,
      setHost: false,
    });
    request.once('error', (error: NodeJS.ErrnoException) => {
      const body = Buffer.alloc(0);
      const none = { status: 0, statusText: '', headers: {}, rawHeaders: [], rawTrailers: [], body, text: '' };
      resolve({ ...none, broken: error.code ?? error.message });
    });
    request.once('response', (response) => {
      const parts: Buffer[] = [];
      let broken: string | undefined;
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', (error: NodeJS.ErrnoException) => {
        broken = error.code ?? error.message;
      });
      response.once('close', () => {
        const all = Buffer.concat(parts);
        resolve({
          status: response.statusCode ?? 0,
          statusText: response.statusMessage ?? '',
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          rawTrailers: response.rawTrailers,
          body: all,
          text: all.toString('utf8'),
          broken: response.complete ? broken : (broken ?? 'incomplete'),
        });
      });
    });
    request.end(body);
  });
}

function nameOf(authority: string): string | undefined {
  const host = authority.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return /^[\d.]+$|:/.test(host) ? undefined : host;
}
