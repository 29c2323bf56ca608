import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createNetServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { createThrowawayCa, type ThrowawayCa } from './throwaway-ca.js';

/** A request as an upstream saw it. */
export interface SeenRequest {
  readonly method: string;
  /** Request target as it stood on the request line. */
  readonly target: string;
  /** Name, value, name, value … */
  readonly rawHeaders: readonly string[];
  /** Value of a field by its lower-case name; several joined by `, `. */
  header(name: string): string | undefined;
}

/** Answers one request. */
export type UpstreamHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** A server on loopback. */
export interface HttpUpstream {
  /** `http://127.0.0.1:<port>` or `https://localhost:<port>`, without a slash at the end. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly requests: readonly SeenRequest[];
  /** Connections accepted so far. */
  readonly connections: number;
  /** Connections open now. */
  readonly open: number;
  /** Replaces what answers. */
  handle(handler: UpstreamHandler): void;
  close(): Promise<void>;
}

/** Where to listen, and under which name clients call. */
export interface HttpUpstreamOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly address?: string;
  /** Host in `url` and, with TLS, on the certificate. Default: the address, with TLS `localhost`. */
  readonly host?: string;
}

/** Starts a plain http server. */
export function startHttpUpstream(handler: UpstreamHandler, options: HttpUpstreamOptions = {}): Promise<HttpUpstream> {
  return start(handler, options, undefined);
}

/** Starts an https server with a leaf of a throw-away root; a client's server name gets a leaf of its own. */
export async function startHttpsUpstream(
  handler: UpstreamHandler,
  options: HttpUpstreamOptions & { readonly ca?: ThrowawayCa } = {},
): Promise<HttpUpstream & { readonly ca: ThrowawayCa }> {
  const ca = options.ca ?? (await createThrowawayCa());
  const upstream = await start(handler, options, ca);
  return Object.assign(upstream, { ca });
}

async function start(
  first: UpstreamHandler,
  { address = '127.0.0.1', host: name }: HttpUpstreamOptions,
  ca: ThrowawayCa | undefined,
): Promise<HttpUpstream> {
  const host = name ?? (ca ? 'localhost' : address);
  const requests: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  let handler = first;
  let connections = 0;
  const http = createServer((request, response) => {
    requests.push(seen(request));
    Promise.resolve(handler(request, response)).catch(() => response.destroy());
  });
  const listener = createNetServer({ noDelay: true }, (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    if (!ca) return void http.emit('connection', socket);
    serveTls(socket, { ca, host, onSecure: (secure) => http.emit('connection', secure) });
  });
  await new Promise<void>((resolve) => listener.listen(0, address, resolve));
  const { port } = listener.address() as AddressInfo;
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    url: `${ca ? 'https' : 'http'}://${authority}`,
    host,
    port,
    requests,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    handle(next) {
      handler = next;
    },
    close: () => stop(listener as unknown as Server, sockets),
  };
}

/** Terminates TLS on a server's socket with leaves of the throw-away root. */
export function serveTls(
  socket: Socket,
  options: { readonly ca: ThrowawayCa; readonly host: string; readonly onSecure: (socket: TLSSocket) => void },
): void {
  const { ca, host, onSecure } = options;
  ca.contextFor(host).then(
    (secureContext) => {
      const secure = new TLSSocket(socket, {
        isServer: true,
        secureContext,
        ALPNProtocols: ['http/1.1'],
        SNICallback: (servername, done) => {
          ca.contextFor(servername).then((context) => done(null, context), done);
        },
      });
      secure.on('error', () => socket.destroy());
      secure.once('secure', () => onSecure(secure));
    },
    () => socket.destroy(),
  );
}

async function stop(listener: Pick<Server, 'close'>, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise((resolve) => listener.close(resolve));
  for (const socket of sockets) socket.destroy();
  await closed;
}

function seen({ method = '', url = '', rawHeaders }: IncomingMessage): SeenRequest {
  return {
    method,
    target: url,
    rawHeaders,
    header(name) {
      const values = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name);
      return values.length === 0 ? undefined : values.join(', ');
    },
  };
}
