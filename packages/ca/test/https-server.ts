import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { LeafIssuer } from '@waybill/contracts';

/** A server that presents leaves of an issuer. */
export interface HttpsServer {
  readonly port: number;
  close(): void;
}

const pages: Readonly<Record<string, string>> = {
  '/': 'hello over tls',
  // Enough of a repository for `git ls-remote` (dumb protocol).
  '/repo.git/info/refs': `${'ab'.repeat(20)}\trefs/heads/main\n`,
  '/repo.git/HEAD': 'ref: refs/heads/main\n',
};

/** Serves https on a loopback address, terminating TLS the way the proxy does. */
export async function startHttpsServer(issuer: LeafIssuer, host: string, address: string): Promise<HttpsServer> {
  const http = createHttpServer((request, response) => {
    const page = pages[(request.url ?? '').split('?')[0] ?? ''];
    response.writeHead(page === undefined ? 404 : 200, { 'content-type': 'text/plain' }).end(page);
  });
  const server = createServer((socket) => {
    issuer.contextFor(host).then((secureContext) => {
      const tls = new TLSSocket(socket, { isServer: true, secureContext });
      tls.on('error', () => socket.destroy());
      http.emit('connection', tls);
    });
    socket.on('error', () => undefined);
  });
  server.listen(0, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      http.closeAllConnections();
    },
  };
}
