import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { createLeafIssuer, createRootCa } from '@waybill/ca';

/** The world outside, as the service of a doctor run sees it: an upstream proxy behind which every host is this one. */
export interface DoctorOrigin {
  /** For `HTTP_PROXY` and `HTTPS_PROXY` of the service. */
  readonly url: string;
  /** Root of every host's certificate, for the service to trust; clients never see it. */
  readonly caPem: string;
  /** What hosts answer from now on, by path. */
  serve(pages: Readonly<Record<string, string>>): void;
  close(): Promise<void>;
}

/** Starts one on loopback. Hosts need not exist, so nothing of the machine's network decides a verdict. */
export async function startDoctorOrigin(): Promise<DoctorOrigin> {
  const root = await createRootCa({ commonName: 'craft doctor origin' });
  const issuer = createLeafIssuer({ root });
  let pages: Readonly<Record<string, string>> = {};
  const sockets = new Set<Socket>();

  function answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const { pathname } = new URL(request.url ?? '/', 'http://origin.invalid');
    const page = Object.hasOwn(pages, pathname) ? pages[pathname] : undefined;
    const type = page?.startsWith('{') ? 'application/json' : page?.startsWith('<') ? 'text/html' : 'text/plain';
    response.writeHead(page === undefined ? 404 : 200, { 'content-type': type }).end(page ?? 'not here\n');
  }

  const inner = createServer(answer);
  const outer = createServer(answer);
  outer.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  });
  outer.on('connect', (request: IncomingMessage, socket: Socket) => {
    const host = (request.url ?? '').replace(/:\d+$/, '');
    issuer.contextFor(host).then(
      (secureContext) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        const tls = new TLSSocket(socket, { isServer: true, secureContext });
        tls.on('error', () => socket.destroy());
        inner.emit('connection', tls);
      },
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    outer.once('error', reject);
    outer.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(outer.address() as AddressInfo).port}`,
    caPem: root.certificatePem,
    serve(next) {
      pages = next;
    },
    async close() {
      const closed = new Promise((resolve) => outer.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
