import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createSecureContext, getCACertificates, TLSSocket } from 'node:tls';
import { createLeafIssuer, loadRootCa } from '@waybill/ca';
import { Pool } from 'undici';

/**
 * The least that an intercepting proxy in Node does: CONNECT, TLS in process with our certificates, Node's HTTP server,
 * undici's pools. No credentials, no hashes, no store, no record, GET alone: what is left for all of that, and no more.
 *
 * Arguments: port, root certificate, its key, roots of upstreams.
 */
const [port, certFile, keyFile, upstreamCaFile] = process.argv.slice(2) as [string, string, string, string];
const mostOrigins = 256;
const hopByHop = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'host'];

const issuer = createLeafIssuer({ root: await loadRootCa({ certFile, keyFile }) });
const secureContext = createSecureContext({
  ca: [...getCACertificates('default'), readFileSync(upstreamCaFile, 'utf8')],
});
const authorities = new WeakMap<object, string>();
const pools = new Map<string, Pool>();

const inner = createServer({ keepAliveTimeout: 0 }, (request, response) => {
  const authority = authorities.get(request.socket);
  if (authority === undefined || request.method !== 'GET') response.writeHead(501).end();
  else forward(poolFor(`https://${authority}`), request, response);
});
inner.on('clientError', (_error, socket) => socket.destroy());

const outer = createServer((_request, response) => response.writeHead(501).end());
outer.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
  socket.on('error', () => socket.destroy());
  void openTunnel(request.url ?? '', socket, head).catch(() => socket.destroy());
});
outer.listen(Number(port), '127.0.0.1');

async function openTunnel(authority: string, socket: Socket, head: Buffer): Promise<void> {
  const context = await issuer.contextFor(authority.slice(0, authority.lastIndexOf(':')));
  socket.write('HTTP/1.1 200 OK\r\n\r\n');
  if (head.length > 0) socket.unshift(head);
  const tunnel = new TLSSocket(socket, { isServer: true, secureContext: context });
  tunnel.on('error', () => tunnel.destroy());
  authorities.set(tunnel, authority);
  inner.emit('connection', tunnel);
}

function poolFor(origin: string): Pool {
  const pool =
    pools.get(origin) ??
    new Pool(origin, { connections: 64, pipelining: 1, connect: { secureContext }, allowH2: false });
  pools.delete(origin);
  pools.set(origin, pool);
  const [oldest] = pools;
  if (oldest && pools.size > mostOrigins) {
    pools.delete(oldest[0]);
    void oldest[1].close();
  }
  return pool;
}

function forward(pool: Pool, request: IncomingMessage, response: ServerResponse): void {
  const options = {
    method: 'GET' as const,
    path: request.url ?? '/',
    headers: endToEnd(request.headers),
    opaque: response,
  };
  pool.stream(
    options,
    ({ statusCode, headers }) => response.writeHead(statusCode, endToEnd(headers)),
    (error) => {
      if (error) response.destroy();
    },
  );
}

function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = { ...headers };
  for (const name of hopByHop) delete kept[name];
  return kept;
}
