import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { RootedLeafIssuer } from '@waybill/ca';

/** A proxy that answers for every host itself: nothing a client asks for exists anywhere else. */
export interface InterceptingProxy {
  readonly port: number;
  /** `GET https://host/path`, in order of arrival. */
  readonly seen: string[];
  close(): void;
}

/** What the proxy is made of. */
export interface InterceptingProxyOptions {
  /** Signs the leaf of a host. */
  readonly issuerFor: (host: string) => RootedLeafIssuer;
  /** Bodies by URL without query; anything else is 404. */
  readonly pages: Readonly<Record<string, string>>;
  /** `user:password` that every request and CONNECT must bring. */
  readonly credentials?: string | undefined;
}

/** A tiny proxy for tests: CONNECT is terminated in process, plain http is answered directly. */
export async function startInterceptingProxy({
  issuerFor,
  pages,
  credentials,
}: InterceptingProxyOptions): Promise<InterceptingProxy> {
  const seen: string[] = [];
  const expected = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
  const isAllowed = (request: IncomingMessage) =>
    expected === undefined || request.headers['proxy-authorization'] === expected;

  function answer(request: IncomingMessage, response: ServerResponse, asked: string): void {
    const url = asked.replace(/^(http:\/\/[^/:]+):80\//, '$1/');
    seen.push(`${request.method} ${url}`);
    request.resume();
    const page = pages[url.split('?')[0] ?? ''];
    const type = page?.startsWith('{') ? 'application/json' : page?.startsWith('<') ? 'text/html' : 'text/plain';
    response.writeHead(page === undefined ? 404 : 200, { 'content-type': type }).end(page ?? 'not here');
  }

  const inner = createHttpServer((request, response) => {
    answer(request, response, `${(request.socket as Socket & { origin: string }).origin}${request.url}`);
  });
  const outer = createHttpServer((request, response) => {
    if (isAllowed(request)) answer(request, response, request.url ?? '');
    else response.writeHead(407, { 'proxy-authenticate': 'Basic realm="test"' }).end();
  });
  outer.on('connect', (request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => undefined);
    if (!isAllowed(request)) {
      socket.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\n\r\n',
      );
      return;
    }
    const [host = '', port] = (request.url ?? '').split(':');
    if (port === '80') {
      // fetch of Node asks for a tunnel for plain http too.
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      inner.emit('connection', Object.assign(socket, { origin: `http://${host}` }));
      return;
    }
    issuerFor(host)
      .contextFor(host)
      .then((secureContext) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        const tls = new TLSSocket(socket, { isServer: true, secureContext });
        tls.on('error', () => socket.destroy());
        inner.emit('connection', Object.assign(tls, { origin: `https://${host}` }));
      });
  });
  outer.listen(0, '127.0.0.1');
  await once(outer, 'listening');
  return {
    port: (outer.address() as AddressInfo).port,
    seen,
    close() {
      outer.close();
      outer.closeAllConnections();
      inner.closeAllConnections();
    },
  };
}
