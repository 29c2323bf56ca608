import { type AddressInfo, createServer, type Socket } from 'node:net';
import { serveTls } from './http-upstream.js';
import type { ThrowawayCa } from './throwaway-ca.js';

/** Called with each request's head (request line and fields, without the empty line); writes what it likes. */
export type RawAnswer = (socket: Socket, head: string) => void;

/** A server that says exactly what it is told to, HTTP or not. */
export interface RawUpstream {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Heads of all requests so far. */
  readonly heads: readonly string[];
  /** Everything that came, of all connections, as latin-1. */
  readonly received: string;
  /** Connections open now. */
  readonly open: number;
  close(): Promise<void>;
}

/** What it listens on. */
export interface RawUpstreamOptions {
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** Serves TLS for `localhost` with leaves of it. */
  readonly ca?: ThrowawayCa;
}

/** Starts a hostile upstream on loopback, TCP or TLS. */
export async function startRawUpstream(answer: RawAnswer, options: RawUpstreamOptions = {}): Promise<RawUpstream> {
  const { address = '127.0.0.1', ca } = options;
  const host = ca ? 'localhost' : address;
  const heads: string[] = [];
  let received = '';
  const sockets = new Set<Socket>();
  const listener = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    if (ca) serveTls(socket, { ca, host, onSecure: listen });
    else listen(socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, address, resolve));
  const { port } = listener.address() as AddressInfo;
  return {
    url: `${ca ? 'https' : 'http'}://${host}:${port}`,
    host,
    port,
    heads,
    get received() {
      return received;
    },
    get open() {
      return sockets.size;
    },
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };

  function listen(socket: Socket): void {
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      received += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        heads.push(head);
        answer(socket, head);
      }
    });
  }
}
