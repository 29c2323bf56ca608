import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A proxy as companies have one between their machines and the world: it passes tunnels on and remembers them. */
export interface ForwardProxy {
  readonly url: string;
  readonly port: number;
  /** `METHOD target` of everything that was asked of it. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

export interface ForwardProxyOptions {
  /** Takes every name for this machine: clients written in Go use no proxy for `localhost`, so they need another name. */
  readonly isEverythingHere?: boolean;
}

export async function startForwardProxy({ isEverythingHere = false }: ForwardProxyOptions = {}): Promise<ForwardProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(501).end();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    const { hostname, port } = new URL(`http://${request.url}`);
    const upstream = connect(Number(port), isEverythingHere ? '127.0.0.1' : hostname, () =>
      socket.write('HTTP/1.1 200 OK\r\n\r\n'),
    );
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
    upstream.pipe(socket).pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    asked,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
