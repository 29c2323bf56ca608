import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ErrorCallback, type IContext, type IProxyOptions, Proxy as MitmProxy } from 'http-mitm-proxy';

/** What comes in at the listening port. */
export interface AcceptorHandlers {
  /** A plain request in absolute form. Nothing may be sent for it by anybody else. */
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  /** A CONNECT; the socket is the handler's from then on. */
  onConnect(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** What the library would print. */
  onFault(kind: string, error: Error): void;
}

/**
 * http-mitm-proxy reduced to accepting. Its hooks never call back, so its own forwarding, its https server per host and its
 * leaves are not reached; the hazards that these bring are listed in specs/engine-hazards.md. Two methods of it are replaced:
 *
 * - `listen` would make an RSA root with mode 0644 on disk and add WebSocket servers, whose `upgrade` listeners answer
 *   `Upgrade: h2c` with 400;
 * - `_onError` would print to the console and finish a broken response with an error text, which completes it.
 */
export class AcceptingProxy extends MitmProxy {
  readonly #server: Server;
  readonly #handlers: AcceptorHandlers;
  readonly #targets = new WeakMap<IncomingMessage, string>();

  constructor(server: Server, handlers: AcceptorHandlers) {
    super();
    this.#server = server;
    this.#handlers = handlers;
    this.onConnect((request, socket, head: Buffer) => handlers.onConnect(request, socket, head));
    this.onRequest(({ clientToProxyRequest: request, proxyToClientResponse: response }) => {
      this.#handOver(request, response);
    });
  }

  override listen(options: IProxyOptions, callback: ErrorCallback = () => undefined): this {
    this.options = options;
    this.httpHost = options.host ?? '127.0.0.1';
    this.httpServer = this.#server;
    this.#server.on('connect', this._onHttpServerConnect.bind(this));
    this.#server.on('request', (request, response) => this.#accept(request, response));
    this.#server.on('checkContinue', (request, response) => this.#accept(request, response));
    this.#server.on('checkExpectation', (request, response) => this.#accept(request, response));
    this.#server.once('error', callback);
    this.#server.listen({ host: this.httpHost, port: options.port ?? 0 }, () => {
      this.#server.off('error', callback);
      this.#server.on('error', (error) => this._onError('SERVER', null, error));
      this.httpPort = (this.#server.address() as AddressInfo).port;
      callback();
    });
    return this;
  }

  override _onError(kind: string, _context: IContext | null, error: Error): void {
    this.#handlers.onFault(kind, error);
  }

  override _onSocketError(kind: string, error: NodeJS.ErrnoException): void {
    if (error.code !== 'ECONNRESET') this.#handlers.onFault(kind, error);
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    const target = request.url ?? '';
    this.#targets.set(request, target);
    try {
      // Without a host the library would answer by itself.
      if (request.headers.host || target.startsWith('http://')) this._onHttpServerRequest(false, request, response);
      else this.#handOver(request, response);
    } catch (error) {
      // The library parses the target with url.parse(), which throws for some; unheard, that would end the process.
      this.#handlers.onFault('REQUEST', error as Error);
      this.#handOver(request, response);
    }
  }

  #handOver(request: IncomingMessage, response: ServerResponse): void {
    // The library cuts scheme and host off `request.url` on its way.
    const target = this.#targets.get(request);
    if (target !== undefined) request.url = target;
    this.#handlers.onRequest(request, response);
  }
}
