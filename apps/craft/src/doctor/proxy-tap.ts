import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type SeenConnection, watchConnection } from './connection-watch.js';

/** A way to a session's proxy that reads along. */
export interface ProxyTap {
  /** The session's URL, leading through the tap. */
  readonly url: string;
  /** What the connections since the last call showed. */
  take(): SeenConnection[];
  close(): Promise<void>;
}

/** Starts one on loopback; bytes pass unchanged. */
export async function startProxyTap(sessionUrl: string): Promise<ProxyTap> {
  const session = new URL(sessionUrl);
  const port = Number(session.port || 80);
  const host = session.hostname.replace(/^\[|\]$/g, '');
  const user = `${decodeURIComponent(session.username)}:${decodeURIComponent(session.password)}`;
  const authorization = `Basic ${Buffer.from(user).toString('base64')}`;
  const sockets = new Set<Socket>();
  let watches: ReturnType<typeof watchConnection>[] = [];
  const server = createServer((client) => {
    const watch = watchConnection(authorization);
    watches.push(watch);
    const proxy = connect({ host, port });
    for (const [socket, other] of [
      [client, proxy],
      [proxy, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroySoon();
      });
    }
    client.on('data', (chunk: Buffer) => watch.fromClient(chunk)).pipe(proxy);
    proxy.on('data', (chunk: Buffer) => watch.fromProxy(chunk)).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = new URL(session);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href.replace(/\/$/, ''),
    take() {
      const taken = watches.flatMap((watch) => watch.seen() ?? []);
      watches = [];
      return taken;
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
