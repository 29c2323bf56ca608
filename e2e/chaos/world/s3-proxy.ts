import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Chance } from './chance.js';

/** How a bad network and a bad server treat a request. */
export const ills = ['late', 'error', 'reset', 'black-hole', 'lost-answer', 'cut', 'corrupt'] as const;
export type Ill = (typeof ills)[number];

/** Stands before an S3 server. */
export interface S3Proxy {
  readonly endpoint: string;
  /** From now on some requests fare so; undefined: all pass. What hangs is broken off then. */
  suffer(ill: Ill | undefined): void;
  close(): Promise<void>;
}

/** How many requests are hit while it suffers. */
const share = 0.6;

export async function startS3Proxy(target: string, chance: Chance): Promise<S3Proxy> {
  let ill: Ill | undefined;
  const hanging = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    response.on('error', () => {});
    request.on('error', () => {});
    const fate = ill !== undefined && chance.happens(share) ? ill : undefined;
    switch (fate) {
      case 'reset':
        return void request.socket.resetAndDestroy();
      case 'black-hole':
        hanging.add(response);
        return void request.resume();
      case 'error':
        request.resume();
        return void response.writeHead(chance.of([500, 503])).end('<Error><Code>SlowDown</Code></Error>');
      case 'late':
        return void setTimeout(() => forward({ target, request, response, fate }), chance.between(50, 1_500));
      default:
        forward({ target, request, response, fate });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    suffer(next) {
      ill = next;
      for (const response of hanging) response.destroy();
      hanging.clear();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Forwarding {
  readonly target: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly fate: Ill | undefined;
}

/** Host and path go on as they came: they are part of the signature. */
function forward({ target, request, response, fate }: Forwarding): void {
  const { hostname, port } = new URL(target);
  const { method, url: path, headers } = request;
  const onward = httpRequest({ hostname, port, method, path, headers }, async (answer) => {
    if (fate === 'lost-answer') {
      answer.resume();
      return void request.socket.destroy();
    }
    const parts: Buffer[] = [];
    try {
      for await (const part of answer as AsyncIterable<Buffer>) parts.push(part);
    } catch {
      return void request.socket.destroy();
    }
    const body = Buffer.concat(parts);
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    if (method !== 'GET' || body.length === 0) return void response.end(body);
    if (fate === 'cut') {
      response.write(body.subarray(0, body.length >> 1), () => request.socket.destroy());
      return;
    }
    if (fate === 'corrupt') body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1;
    response.end(body);
  });
  onward.on('error', () => request.socket.destroy());
  request.pipe(onward);
}
