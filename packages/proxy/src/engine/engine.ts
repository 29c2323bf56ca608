import { createServer, type IncomingMessage, type ServerOptions, type ServerResponse } from 'node:http';
import { Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { redactText } from '@waybill/contracts';
import type { ProxyContext } from '../context.js';
import { ProxyError } from '../errors.js';
import { formatAuthority } from '../http/authority.js';
import type { Incoming } from '../incoming.js';
import { connectRecord } from '../record/connect-record.js';
import { headlines } from '../stop.js';
import { AcceptingProxy } from './accepting-proxy.js';
import { Connection } from './connection.js';
import { resetSocket } from './reset-socket.js';
import { answerSocket } from './socket-answer.js';
import { openTunnel } from './tunnels.js';

/** The accepting half of the proxy. */
export interface Engine {
  readonly host: string;
  readonly port: number;
  stats(): { readonly connections: number; readonly tunnels: number };
  /** From now on answers tell the client that its connection ends with them; new connections are still taken. */
  announceEnd(): void;
  /** Takes no more connections. */
  retire(): void;
  /** Ends connections on which nothing is under way; what was sent on them arrives. */
  endIdle(): void;
  /** Ends all connections. */
  close(): void;
}

/**
 * Starts listening. Each request, plain or out of a tunnel, is handed to `carry` with its connection.
 * @throws ProxyError PROXY_LISTEN_FAILED
 */
export async function startEngine(
  context: ProxyContext,
  carry: (incoming: Incoming) => Promise<void>,
): Promise<Engine> {
  const { settings } = context;
  const { limits, logger } = settings;
  const connections = new WeakMap<Duplex, Connection>();
  const tunnels = new Map<Connection, Socket>();
  const outer = createServer(serverOptions(context));
  const inner = createServer({ ...serverOptions(context), keepAliveTimeout: 0 });
  /** Everything that was accepted; http servers lose sight of their sockets at CONNECT. */
  const sockets = new Set<Socket>();
  let isEnding = false;
  let isClosed = false;

  function connectionOf(socket: Socket): Connection {
    const known = connections.get(socket) ?? new Connection(socket);
    connections.set(socket, known);
    return known;
  }

  function handOver(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue = hasExpectation(request),
  ): void {
    const connection = connectionOf(request.socket);
    if (isEnding) response.shouldKeepAlive = false;
    void connection.run({ request, response, connection, expectsContinue }, carry);
  }

  async function accept(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    const connection = connectionOf(socket);
    const tunnel = await openTunnel({ request, socket, head, connection }, context);
    if (!tunnel || isClosed) return void (tunnel && socket.destroy());
    // From here on the connection is busy when its tunnel is.
    connections.set(socket, tunnel.connection);
    connections.set(tunnel.socket, tunnel.connection);
    tunnels.set(tunnel.connection, tunnel.socket);
    tunnel.socket.once('close', () => tunnels.delete(tunnel.connection));
    inner.emit('connection', tunnel.socket);
  }

  const library = new AcceptingProxy(outer, {
    onRequest: (request, response) => handOver(request, response),
    onConnect: (request, socket, head) => {
      accept(request, socket as Socket, head).catch((error: Error) => {
        logger.error({ error: redactText(error.stack ?? error.message) }, 'a tunnel failed for no foreseen reason');
        socket.destroy();
      });
    },
    onFault: (kind, error) => logger.debug({ kind, error: redactText(error.message) }, 'client connection'),
  });
  outer.on('connection', (socket) => {
    sockets.add(socket);
    context.limits.accepted(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  outer.on('clientError', (error, socket) => rejectGarbage(error, socket, connections.get(socket)));

  inner.on('request', (request, response) => handOver(request, response));
  inner.on('checkContinue', (request, response) => handOver(request, response));
  inner.on('checkExpectation', (request, response) => handOver(request, response));
  inner.on('connect', (request: IncomingMessage, socket: Duplex) => void refuseInTunnel(request, socket));
  inner.on('clientError', (error, socket) => void refuseGarbage(error, socket));

  async function refuseInTunnel(request: IncomingMessage, socket: Duplex): Promise<void> {
    await noteFault(socket, 'CONNECT inside a tunnel is not carried', request);
    answerSocket(socket, {
      status: 405,
      statusText: 'Method Not Allowed',
      body: 'CONNECT inside a tunnel is not carried\n',
    });
  }

  async function refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): Promise<void> {
    const { code = '' } = error;
    // At once: later the exchange that the same bytes began may be writing its own answer.
    rejectGarbage(error, socket, connections.get(socket));
    if (code !== 'ECONNRESET' && code !== 'EPIPE')
      await noteFault(socket, `the client did not send HTTP/1.1 (${code})`);
  }

  async function noteFault(socket: Duplex, reason: string, request?: IncomingMessage): Promise<void> {
    const connection = connections.get(socket);
    if (!connection?.tunnel) return;
    const { session, authority } = connection.tunnel;
    const asked = request ?? { method: '', url: formatAuthority(authority), rawHeaders: [], headers: {} };
    const facts = { kind: 'refusal', phase: 'protocol', status: 400, headline: headlines.requests, reason } as const;
    const record = connectRecord({
      request: asked,
      session,
      facts,
      status: 400,
      address: connection.address,
      at: settings.clock.now(),
    });
    await context.recorder.record([record]).catch((cause: Error) => {
      logger.error({ session: session.id, error: cause.message }, 'a refusal cannot be recorded');
    });
  }

  /** Node's own checks run only on servers that listen themselves; tunnels that say nothing are ended here. */
  const sweeper = setInterval(
    () => {
      const now = performance.now();
      for (const [{ idleSinceMs }, socket] of tunnels) {
        if (idleSinceMs !== undefined && now - idleSinceMs > limits.idleTimeoutMs) socket.destroy();
      }
    },
    Math.min(5_000, limits.idleTimeoutMs / 2),
  );
  sweeper.unref();

  await listen(library, settings.listen);
  return {
    host: library.httpHost as string,
    port: library.httpPort,
    stats: () => ({ connections: sockets.size, tunnels: tunnels.size }),
    announceEnd() {
      isEnding = true;
    },
    retire() {
      isEnding = true;
      // Node's own `close` of an http server also ends its kept connections, on which a request may be on its way.
      if (outer.listening) Server.prototype.close.call(outer);
    },
    endIdle() {
      outer.closeIdleConnections();
      for (const [{ idleSinceMs }, socket] of tunnels) if (idleSinceMs !== undefined) socket.destroy();
    },
    close() {
      isClosed = true;
      clearInterval(sweeper);
      outer.close();
      for (const socket of sockets) {
        const connection = connections.get(socket);
        // An answer that was given in time may still be on its way out of the kernel's buffers.
        if (connection?.idleSinceMs !== undefined) connection.close();
        else if (connection) connection.reset();
        else resetSocket(socket);
      }
    },
  };
}

function serverOptions({ settings: { limits } }: ProxyContext): ServerOptions {
  return {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A body may take as long as it takes; its silence is timed where it is read.
    requestTimeout: 0,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: Math.max(100, Math.min(10_000, limits.headersTimeoutMs / 2)),
    // Checked and recorded by the pipeline.
    requireHostHeader: false,
    insecureHTTPParser: false,
  };
}

function listen(
  library: AcceptingProxy,
  { host, port }: { readonly host?: string | undefined; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    library.listen({ port, ...(host !== undefined && { host }) }, (cause) => {
      if (!cause) return resolve();
      const { code } = cause as NodeJS.ErrnoException;
      reject(
        new ProxyError('PROXY_LISTEN_FAILED', `cannot listen on ${host}:${port}: ${explainListen(code, cause)}`, {
          cause,
          ...(code === 'EADDRINUSE' && { hint: 'choose another port, or stop what listens there' }),
        }),
      );
    });
  });
}

function explainListen(code: string | undefined, cause: Error): string {
  if (code === 'EADDRINUSE') return 'the port is in use';
  if (code === 'EACCES') return 'not permitted';
  if (code === 'EADDRNOTAVAIL') return 'this machine does not have the address';
  return cause.message;
}

/** Not HTTP, or too much of it, or too slow: a short answer where one is still possible, and the end. */
function rejectGarbage(error: NodeJS.ErrnoException, socket: Duplex, connection: Connection | undefined): void {
  // Behind the begun answer to an earlier request our text would be taken for a part of its body.
  if (connection?.isAnswering) {
    connection.reset();
    return;
  }
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const [status, statusText] = statusOf(error.code);
  answerSocket(socket, { status, statusText, body: `${statusText}\n` });
}

function statusOf(code: string | undefined): [number, string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'Request Header Fields Too Large'];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'Request Timeout'];
  return [400, 'Bad Request'];
}

/** RFC 9110 §10.1.1: from a client of HTTP/1.0 it is ignored. */
function hasExpectation({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion === '1.1' && headers.expect?.toLowerCase() === '100-continue';
}
