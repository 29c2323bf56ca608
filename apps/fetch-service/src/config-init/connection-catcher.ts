import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A proxy on loopback that connects nobody and notes who was wanted. */
export interface ConnectionCatcher {
  readonly url: string;
  /** `host:port` of each CONNECT, first ones first, each once. */
  wanted(): readonly string[];
  close(): Promise<void>;
}

/** Starts one, for a throw-away run of a client that hides its default origin. */
export async function catchConnections(): Promise<ConnectionCatcher> {
  const wanted = new Set<string>();
  const server = createServer((_request, response) => void response.writeHead(403).end());
  server.on('connect', (request, socket) => {
    if (/^[a-z0-9.-]{1,253}:\d{1,5}$/i.test(request.url ?? '')) wanted.add((request.url as string).toLowerCase());
    socket.on('error', () => {});
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    wanted: () => [...wanted],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
