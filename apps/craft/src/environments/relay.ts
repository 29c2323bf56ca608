import { chmod } from 'node:fs/promises';
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

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

const proxyHeaders = new Set(['proxy-authorization', 'proxy-connection']);
const hopHeaders = new Set(['connection', 'keep-alive', 'upgrade', 'transfer-encoding', 'te']);

/**
 * An HTTP proxy that adds the session's credentials to every request and tunnel and passes everything on to the session's
 * proxy, so that the build itself never holds them (specs/craft-client.md gap 25). It decides nothing and looks into nothing;
 * credentials that the client sent are dropped.
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const upstream = new URL(options.proxyUrl);
  const authorization = `Basic ${Buffer.from(`${decodeURIComponent(upstream.username)}:${decodeURIComponent(upstream.password)}`).toString('base64')}`;
  const address = { host: upstream.hostname.replace(/^\[|\]$/g, ''), port: Number(upstream.port || 80) };
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const sockets = new Set<Duplex>();
  const traffic = { requests: 0, bytes: 0 };
  const count = (requests: number, bytes: number) => {
    traffic.requests += requests;
    traffic.bytes += bytes;
    options.onTraffic?.(traffic);
  };
  const track = (socket: Duplex) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };

  const server = createServer({ requestTimeout: 0, headersTimeout: 60_000 });
  server.on('connection', track);
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    count(1, 0);
    const outward = connect({ ...address, allowHalfOpen: true });
    track(outward);
    outward.once('error', (error) =>
      client.end(
        `HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\ncannot reach the session's proxy: ${error.message}\n`,
      ),
    );
    outward.once('connect', () => {
      outward.write(
        `CONNECT ${request.url} HTTP/1.1\r\nHost: ${request.url}\r\n${headerLines(request)}Proxy-Authorization: ${authorization}\r\n\r\n`,
      );
      if (head.length > 0) outward.write(head);
      outward.on('data', (chunk: Buffer) => count(0, chunk.length));
      outward.pipe(client);
      client.pipe(outward);
    });
    client.once('close', () => outward.destroy());
    outward.once('close', () => client.destroy());
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    count(1, 0);
    if (!/^https?:\/\//i.test(request.url ?? '')) {
      response
        .writeHead(400, { 'content-type': 'text/plain' })
        .end(`this is a proxy: expected an absolute URL, found ${request.url}\n`);
      return;
    }
    forward(request, response, { address, authorization, agent, count });
  });
  // Without a listener Node answers upgrades as plain requests; the session's proxy does the same.
  await listen(server, options.listen);
  const bound = server.address();
  return {
    port: bound !== null && typeof bound === 'object' ? bound.port : 0,
    traffic,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
        agent.destroy();
      }),
  };
}

interface ForwardOptions {
  readonly address: { readonly host: string; readonly port: number };
  readonly authorization: string;
  readonly agent: Agent;
  readonly count: (requests: number, bytes: number) => void;
}

function forward(request: IncomingMessage, response: ServerResponse, options: ForwardOptions): void {
  const headers = endToEnd(request.rawHeaders);
  if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
  if (request.headers.te !== undefined) headers.push('TE', 'trailers');
  headers.push('Proxy-Authorization', options.authorization);
  const outward = httpRequest({
    ...options.address,
    agent: options.agent,
    method: request.method,
    path: request.url,
    headers,
    setHost: false,
  });
  outward.on('response', (answer) => {
    response.sendDate = false;
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', endToEnd(answer.rawHeaders));
    answer.on('data', (chunk: Buffer) => options.count(0, chunk.length));
    answer.once('error', () => response.destroy());
    answer.once('aborted', () => response.destroy());
    answer.once('end', () => {
      if (answer.rawTrailers.length > 0) response.addTrailers(pairs(answer.rawTrailers));
    });
    answer.pipe(response);
  });
  outward.on('error', (error) => {
    if (response.headersSent) response.destroy();
    else
      response
        .writeHead(502, { 'content-type': 'text/plain' })
        .end(`cannot reach the session's proxy: ${error.message}\n`);
  });
  response.once('close', () => {
    if (!response.writableFinished) outward.destroy();
  });
  request.once('error', () => outward.destroy());
  request.pipe(outward);
}

function endToEnd(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    if (!proxyHeaders.has(name) && !hopHeaders.has(name)) kept.push(raw[i] as string, raw[i + 1] as string);
  }
  return kept;
}

/** The client's own CONNECT headers, without those that name the target or carry credentials. */
function headerLines(request: IncomingMessage): string {
  const kept = endToEnd(request.rawHeaders);
  let text = '';
  for (let i = 0; i + 1 < kept.length; i += 2) {
    if (kept[i]?.toLowerCase() !== 'host') text += `${kept[i]}: ${kept[i + 1]}\r\n`;
  }
  return text;
}

function pairs(raw: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) list.push([raw[i] as string, raw[i + 1] as string]);
  return list;
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
