import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { serveTls, type ThrowawayCa } from '@waybill/testkit';

/** An https address of a server that only speaks http. */
export interface TlsFront {
  /** `https://localhost:<port>`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Where to pass connections on to, on loopback; known only after the server has started. */
  forwardTo(port: number): void;
  close(): Promise<void>;
}

/** Listens first, so that a server can be told the address that clients will see. */
export async function startTlsFront(ca: ThrowawayCa): Promise<TlsFront> {
  let target = 0;
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    serveTls(socket, {
      ca,
      host: 'localhost',
      onSecure(secure) {
        const upstream = connect({ port: target, host: '127.0.0.1' });
        pipeline(secure, upstream, () => {});
        pipeline(upstream, secure, () => {});
      },
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://localhost:${port}`,
    port,
    forwardTo(next) {
      target = next;
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
