import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveTls, type ThrowawayCa } from '@waybill/testkit';
import type { Chance } from './chance.js';
import { digest, type Good } from './goods.js';

/** How an upstream treats a request. */
const manners = {
  honest: 60,
  chunked: 8,
  dripping: 6,
  late: 4,
  /** The connection ends in the middle of a body. */
  cut: 4,
  reset: 4,
  stall: 1,
  /** Other bytes than the right ones, completely. */
  lie: 8,
  error: 3,
  /** Before a word was said. */
  hangup: 2,
} as const;
export type Manner = keyof typeof manners;

/** An https server on loopback that is not to be relied upon. */
export interface ChaosUpstream {
  /** `https://localhost:<port>` */
  readonly origin: string;
  readonly port: number;
  /** Path → what is there; set once the origin is known. */
  offer(goods: ReadonlyMap<string, Good>): void;
  /** From now on every answer is honest, or not any more. */
  behave(isGood: boolean): void;
  /** Answers so far, by manner. */
  readonly counts: Readonly<Record<Manner, number>>;
  close(): Promise<void>;
}

export async function startChaosUpstream(ca: ThrowawayCa, chance: Chance): Promise<ChaosUpstream> {
  const sockets = new Set<Socket>();
  /** The TCP connection below a TLS one: only it can be reset. */
  const below = new WeakMap<object, Socket>();
  const counts = Object.fromEntries(Object.keys(manners).map((name) => [name, 0])) as Record<Manner, number>;
  let goods: ReadonlyMap<string, Good> = new Map();
  let isGood = false;

  const http = createHttpServer((request, response) => {
    const good = goods.get(request.url ?? '');
    if (!good) return void response.writeHead(404).end('nothing here\n');
    const manner = isGood ? 'honest' : chance.weighted(manners);
    counts[manner]++;
    const socket = below.get(request.socket) ?? request.socket;
    serve({ good, manner, chance, socket, request, response }).catch(() => response.destroy());
  });
  const listener = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    serveTls(socket, {
      ca,
      host: 'localhost',
      onSecure(secure) {
        below.set(secure, socket);
        http.emit('connection', secure);
      },
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  return {
    origin: `https://localhost:${port}`,
    port,
    counts,
    offer(next) {
      goods = next;
    },
    behave(next) {
      isGood = next;
    },
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

interface Serving {
  readonly good: Good;
  readonly manner: Manner;
  readonly chance: Chance;
  readonly socket: Socket;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function serve({ good, manner, chance, socket, request, response }: Serving): Promise<void> {
  const body = manner === 'lie' && good.lies.length > 0 ? chance.of(good.lies) : good.body;
  const etag = `"${digest('sha1', body)}"`;
  const head = { 'content-type': good.type, 'content-length': String(body.length), etag };
  const isHead = request.method === 'HEAD';
  switch (manner) {
    case 'hangup':
      return void (chance.happens(0.5) ? socket.resetAndDestroy() : socket.destroy());
    case 'error':
      response.writeHead(chance.of([404, 429, 500, 503]), { 'content-type': 'text/plain' });
      return void response.end('not now\n');
    case 'honest':
      // The proxy asks so when it has the body already.
      if (request.headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end();
      break;
    case 'late':
      await sleep(chance.between(20, 250));
      break;
    case 'chunked':
      response.writeHead(200, { 'content-type': good.type });
      if (!isHead) for (const part of inParts(body, chance)) response.write(part);
      return void response.end();
    case 'cut':
    case 'reset':
    case 'stall':
      response.writeHead(200, head);
      response.write(body.subarray(0, chance.between(0, body.length)));
      await sleep(chance.between(0, 30));
      if (manner === 'cut') socket.destroy();
      if (manner === 'reset') socket.resetAndDestroy();
      return;
    case 'dripping':
      response.writeHead(200, head);
      for (const part of isHead ? [] : inParts(body, chance)) {
        response.write(part);
        await sleep(chance.between(1, 25));
      }
      return void response.end();
  }
  response.writeHead(200, head);
  response.end(isHead ? undefined : body);
}

function inParts(body: Buffer, chance: Chance): Buffer[] {
  const cuts = Array.from({ length: chance.between(1, 6) }, () => chance.between(0, body.length));
  const points = [0, ...cuts.sort((a, b) => a - b), body.length];
  return points.slice(1).map((end, at) => body.subarray(points[at], end));
}
