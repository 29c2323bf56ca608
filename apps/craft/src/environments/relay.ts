import { chmod } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isOwnPeer } from './loopback-peer.js';
import { createForwarder } from './relay-request.js';
import type { RelayTarget } from './relay-target.js';
import { openTunnel } from './relay-tunnel.js';

/** What went through a relay so far. */
export interface Traffic {
  /** Requests and tunnels opened. */
  readonly requests: number;
  /** Bytes that came from the proxy. */
  readonly bytes: number;
}

/** Where a relay listens: a unix socket that is bound into a sandbox, or a TCP address on loopback. */
export type RelayListen = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export interface RelayOptions {
  /** The session's proxy with its credentials: `http://id:token@host:port`. */
  readonly proxyUrl: string;
  readonly listen: RelayListen;
  /** Called after each change, at most once per chunk. */
  readonly onTraffic?: ((traffic: Traffic) => void) | undefined;
}

/** A running relay. */
export interface Relay {
  /** The port, 0 for a unix socket. */
  readonly port: number;
  readonly traffic: Traffic;
  /** Breaks off what is under way and stops listening. Idempotent. */
  close(): Promise<void>;
}

/** Connections of one build at a time: a build that opens more waits, instead of taking all descriptors of craft. */
const mostConnections = 1024;
/** Clients keep connections for minutes and are surprised when an idle one is gone. */
const keepAliveMs = 300_000;

/**
 * An HTTP proxy that adds the session's credentials to every request and tunnel and passes everything on to the session's
 * proxy, so that the build itself never holds them (specs/craft-client.md gap 25). It decides nothing and looks into nothing;
 * credentials that the client sent are dropped. Other users of the machine are turned away.
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const proxy = new URL(options.proxyUrl);
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const traffic = { requests: 0, bytes: 0 };
  const target: RelayTarget = {
    address: { host: proxy.hostname.replace(/^\[|\]$/g, ''), port: Number(proxy.port || 80) },
    authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
    count(requests, bytes) {
      traffic.requests += requests;
      traffic.bytes += bytes;
      options.onTraffic?.(traffic);
    },
  };
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };
  const forwarder = createForwarder(target);
  const server = createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: keepAliveMs });
  server.maxConnections = mostConnections;
  server.on('connection', (socket) => {
    track(socket);
    // Who may open a unix socket its mode says; a port on loopback is open to everybody on the machine.
    if ('port' in options.listen && !isOwnPeer(socket)) socket.destroy();
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
    target.count(1, 0);
    track(openTunnel(request, client, head, target));
  });
  // Without a listener for upgrades Node answers them as plain requests; the session's proxy does the same.
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    target.count(1, 0);
    forwarder.forward(request, response);
  });
  await listen(server, options.listen);
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === 'object' ? bound.port : 0,
    traffic,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
        forwarder.close();
      }),
  };
}

async function listen(server: Server, where: RelayListen): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen('socketPath' in where ? { path: where.socketPath } : { host: where.host, port: where.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  if ('socketPath' in where) await chmod(where.socketPath, 0o600);
}
