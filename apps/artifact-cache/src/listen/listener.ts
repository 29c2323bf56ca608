import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { type AddressInfo, createServer as createNetServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '@waybill/contracts';
import { ArtifactCacheError, messageOf, systemCode } from '../errors.js';
import { http2ServerOptions, widenSession } from '../grpc/http2-settings.js';
import { type RawRequest, setArrival } from '../http/arrivals.js';
import type { Arrival, ListenerRules } from '../serving/serving.js';
import { continueOnRead } from './continue-on-read.js';
import { defaultListenerTimes, type ListenerTimes } from './listener-times.js';
import { speaksHttp2 } from './protocol-peek.js';
import { watchBody } from './slow-body.js';
import { createTlsListener, type TlsFiles, type TlsListener, verifiedCertificate } from './tls-listener.js';

/** Answers a request of either version of HTTP. */
export type RequestHandler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly rules: ListenerRules;
  readonly tls?: TlsFiles | undefined;
  readonly http: RequestHandler;
  /** Gets requests whose content type is gRPC's; without it they go to `http`. */
  readonly grpc?: RequestHandler | undefined;
  readonly log: Logger;
  readonly times?: Partial<ListenerTimes> | undefined;
}

/** More are turned away. */
const maxConnections = 20_000;
const maxHeaderBytes = 32 * 1024;

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** `https://127.0.0.1:8980`: where a client on this machine reaches it. */
  readonly url: string;
  /** Reads certificate and key again. @throws ArtifactCacheError SERVER_TLS_INVALID; the earlier ones stay then */
  reloadTls(): Promise<void>;
  /** Takes no more connections, lets requests under way end, and after `graceMs` cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/**
 * Listens for HTTP/1.1 and HTTP/2 on one port: with TLS by ALPN, without by the first bytes that a client sends.
 * @throws ArtifactCacheError SERVER_LISTEN_FAILED, SERVER_TLS_INVALID
 */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const times = { ...defaultListenerTimes, ...options.times };
  const protocols = createProtocols(options, times);
  const sockets = new Set<Socket>();
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    void protocols.serve(socket);
  };
  const tls = options.tls && (await createTlsListener(options.tls, { handshakeTimeoutMs: times.headerMs, accept }));
  const server: Server = tls?.server ?? createNetServer({ noDelay: true, pauseOnConnect: false }, accept);
  server.maxConnections = maxConnections;
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  server.on('error', (error) => options.log.error({ error: messageOf(error) }, 'a listener failed'));
  const watch = tls && watchTls(tls, options.log);
  return {
    host: options.host,
    port,
    url: `${tls ? 'https' : 'http'}://${localHost(options.host)}:${port}`,
    reloadTls: async () => await tls?.reload(),
    async close(graceMs) {
      watch?.();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      protocols.drain();
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearTimeout(cut);
      protocols.end();
    },
  };
}

/** The two servers behind the port; neither listens, both are handed sockets. */
function createProtocols(options: ListenerOptions, times: ListenerTimes) {
  let isDraining = false;
  const sessions = new Map<ServerHttp2Session, Arrival>();
  const arrivals = new WeakMap<Socket, Arrival>();
  const answer = (request: RawRequest, response: ServerResponse | Http2ServerResponse, arrival: Arrival) => {
    setArrival(request, arrival);
    watchBody(request, times);
    // gRPC needs trailers, which only HTTP/2 has for all of its clients.
    const isGrpc = request.headers['content-type']?.startsWith('application/grpc') ?? false;
    (isGrpc && options.grpc ? options.grpc : options.http)(request, response);
  };
  const http1 = createServer({
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: times.headerMs,
    // Large bodies over slow lines take as long as they take; `watchBody` ends those that stand still.
    requestTimeout: 0,
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: Math.min(times.headerMs, 30_000),
  });
  http1.timeout = times.idleMs;
  // It never listens itself, and this is when it begins to look for headers that do not come.
  http1.emit('listening');
  const onHttp1 = (request: IncomingMessage, response: ServerResponse) => {
    if (isDraining) response.setHeader('connection', 'close');
    const arrival = arrivals.get(request.socket);
    if (arrival) answer(request, response, arrival);
    else request.socket.destroy();
  };
  http1.on('request', onHttp1);
  http1.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    continueOnRead(request, response);
    onHttp1(request, response);
  });
  const http2 = createHttp2Server(http2ServerOptions);
  let current: Arrival | undefined;
  http2.on('session', (session) => {
    if (current) sessions.set(session, current);
    session.once('close', () => sessions.delete(session));
    session.setTimeout(times.idleMs, () => session.close());
    widenSession(session);
  });
  http2.on('sessionError', () => {});
  const onHttp2 = (request: Http2ServerRequest, response: Http2ServerResponse) => {
    const session = request.stream.session as ServerHttp2Session | undefined;
    const arrival = session && sessions.get(session);
    if (arrival) answer(request, response, arrival);
    else request.stream.close();
  };
  http2.on('request', onHttp2);
  http2.on('checkContinue', (request: Http2ServerRequest, response: Http2ServerResponse) => {
    continueOnRead(request, response);
    onHttp2(request, response);
  });
  return {
    async serve(socket: Socket): Promise<void> {
      const arrival = arrivalBy(socket, options.rules);
      const isHttp2 = await speaksHttp2(socket, times.headerMs);
      if (isHttp2 === undefined || isDraining) return void socket.destroy();
      if (!isHttp2) {
        arrivals.set(socket, arrival);
        http1.emit('connection', socket);
        return;
      }
      current = arrival;
      http2.emit('connection', socket);
      current = undefined;
    },
    drain() {
      isDraining = true;
      http1.closeIdleConnections();
      for (const session of sessions.keys()) session.close();
    },
    end() {
      // Stops its timer; that it does not listen is no news.
      http1.close(() => {});
    },
  };
}

function arrivalBy(socket: Socket, listener: ListenerRules): Arrival {
  const address = socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '');
  const certificate = 'encrypted' in socket ? verifiedCertificate(socket as TLSSocket) : undefined;
  return { listener, address, certificate };
}

async function listen(server: Server, { host, port }: ListenerOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port, backlog: 1024 }, resolve);
  try {
    await promise;
  } catch (cause) {
    const inUse = systemCode(cause) === 'EADDRINUSE';
    throw new ArtifactCacheError('SERVER_LISTEN_FAILED', `cannot listen on ${host} port ${port}: ${messageOf(cause)}`, {
      hint: inUse ? 'stop what listens there, or choose another port' : 'the address must be one of this machine',
      cause,
    });
  }
  server.removeListener('error', reject);
}

/** Looks at the files now and then: a watch of the system misses what is replaced by a link, as clusters do. */
function watchTls(tls: TlsListener, log: Logger): () => void {
  const timer = setInterval(() => {
    tls.reloadIfChanged().then(
      (isChanged) => isChanged && log.info({}, 'certificate and key were read again'),
      (cause: unknown) =>
        log.error({ error: messageOf(cause) }, 'the certificate was not replaced: the earlier one stays'),
    );
  }, 10_000);
  timer.unref();
  return () => clearInterval(timer);
}

function localHost(host: string): string {
  if (host === '::' || host === '0.0.0.0') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
