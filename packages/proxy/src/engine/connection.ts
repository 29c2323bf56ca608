import type { Socket } from 'node:net';
import type { ActiveSession } from '@waybill/contracts';
import type { ClientConnection, Incoming, Tunnel } from '../incoming.js';
import { resetSocket } from './reset-socket.js';

/** Requests that may wait for the answer to an earlier one of the same connection. */
const mostPipelined = 32;

/** What is known of one client connection; requests on it are carried one after the other. */
export class Connection implements ClientConnection {
  readonly address: string;
  readonly tunnel: Tunnel | undefined;
  authorized: { readonly header: string; readonly session: ActiveSession } | undefined;
  /** Since when nothing is under way, monotonic milliseconds; undefined while something is. */
  idleSinceMs: number | undefined = performance.now();

  readonly #socket: Socket;
  readonly #carrier: Socket;
  readonly #queue: Incoming[] = [];
  #carried: Incoming | undefined;

  /**
   * @param socket the TCP socket, also below TLS
   * @param inside what a tunnel adds: where it leads, and TLS on top of the socket
   */
  constructor(socket: Socket, inside?: { readonly tunnel: Tunnel; readonly carrier: Socket }) {
    this.#socket = socket;
    this.#carrier = inside?.carrier ?? socket;
    this.tunnel = inside?.tunnel;
    this.address = formatAddress(socket);
  }

  /** Whether an answer has begun and is not over: nothing else may be written then. */
  get isAnswering(): boolean {
    const response = this.#carried?.response;
    return response?.headersSent === true && !response.writableFinished;
  }

  close(): void {
    this.#carrier.destroy();
  }

  reset(): void {
    resetSocket(this.#socket);
  }

  /**
   * Carries a request when those before it are answered: a client may pipeline, but neither bodies nor answers pile up.
   */
  async run(incoming: Incoming, carry: (incoming: Incoming) => Promise<void>): Promise<void> {
    if (this.idleSinceMs === undefined) {
      if (this.#queue.push(incoming) > mostPipelined) this.reset();
      return;
    }
    this.idleSinceMs = undefined;
    for (let next: Incoming | undefined = incoming; next; next = this.#queue.shift()) {
      this.#carried = next;
      await carry(next);
      // Nobody waits for the answers to what is left.
      if (this.#carrier.destroyed) this.#queue.length = 0;
    }
    this.#carried = undefined;
    this.idleSinceMs = performance.now();
  }
}

/** `ip:port`, brackets around IPv6, IPv4 in IPv6 as IPv4. */
function formatAddress({ remoteAddress = '', remotePort = 0 }: Socket): string {
  const ip = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
  return ip.includes(':') ? `[${ip}]:${remotePort}` : `${ip}:${remotePort}`;
}
