import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to a request on its way to the server and back. */
export type Fault =
  | { readonly kind: 'pass' }
  /** Answered here with an error in S3's form. */
  | { readonly kind: 'status'; readonly status: number; readonly code?: string }
  /** The connection breaks before the server hears of it. */
  | { readonly kind: 'reset' }
  /** The server does it, and the answer is lost. */
  | { readonly kind: 'lose-answer' }
  /** Nothing comes back. */
  | { readonly kind: 'hang' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** The answer's body ends after half of it. */
  | { readonly kind: 'truncate' }
  /** A byte of the answer's body is another. */
  | { readonly kind: 'corrupt' }
  /** A byte of the request's body is another. */
  | { readonly kind: 'corrupt-upload' }
  | { readonly kind: 'wrong-etag' };

/** A proxy in front of an S3 server that does what a bad network and a bad server do. */
export interface FaultProxy {
  readonly endpoint: string;
  /** Requests so far, `METHOD /path`, without the query's values. */
  readonly seen: string[];
  /** Decides on each request; `pass` at first. */
  decide: (method: string, path: string, count: number) => Fault;
  close(): Promise<void>;
}

export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const target = new URL(upstream);
  const hanging = new Set<ServerResponse>();
  const proxy: { -readonly [Key in keyof FaultProxy]: FaultProxy[Key] } = {
    endpoint: '',
    seen: [],
    decide: () => ({ kind: 'pass' }),
    close: async () => undefined,
  };
  const server: Server = createServer((request, response) => {
    const path = request.url ?? '';
    const method = request.method ?? '';
    proxy.seen.push(`${method} ${path}`);
    const fault = proxy.decide(method, path, proxy.seen.length);
    response.on('error', () => undefined);
    if (fault.kind === 'reset') return void request.socket.destroy();
    if (fault.kind === 'hang') {
      hanging.add(response);
      return void request.resume();
    }
    if (fault.kind === 'status') return void refuse(request, response, fault);
    const delay = fault.kind === 'delay' ? fault.ms : 0;
    setTimeout(() => forward({ target, request, response, fault }), delay);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  proxy.close = async () => {
    for (const response of hanging) response.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return proxy;
}

function refuse(request: IncomingMessage, response: ServerResponse, fault: Fault & { readonly kind: 'status' }): void {
  request.resume();
  const { status, code = 'InternalError' } = fault;
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>made up by the test</Message></Error>`;
  response.writeHead(status, { 'Content-Type': 'application/xml', 'Content-Length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function forward(given: {
  readonly target: URL;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly fault: Fault;
}): void {
  const { target, request, response, fault } = given;
  const outgoing = httpRequest({
    host: target.hostname,
    port: target.port,
    method: request.method,
    path: request.url,
    // The signature covers the host that the client named.
    headers: request.headers,
  });
  outgoing.on('error', () => response.destroy());
  outgoing.on('response', (answer) => {
    if (fault.kind === 'lose-answer') {
      answer.resume();
      answer.on('end', () => request.socket.destroy());
      return;
    }
    const headers = { ...answer.headers };
    if (fault.kind === 'wrong-etag' && headers.etag) headers.etag = `"${'0'.repeat(32)}"`;
    response.writeHead(answer.statusCode ?? 502, headers);
    const half = Math.floor(Number(headers['content-length'] ?? 0) / 2);
    let at = 0;
    answer.on('data', (chunk: Buffer) => {
      const middle = half - at;
      at += chunk.length;
      const isMiddle = middle >= 0 && middle < chunk.length;
      if (fault.kind === 'truncate' && at > half) {
        response.write(chunk.subarray(0, Math.max(0, middle)), () => request.socket.destroy());
        answer.destroy();
        return;
      }
      response.write(fault.kind === 'corrupt' && isMiddle ? flipped(chunk, middle) : chunk);
    });
    answer.on('end', () => response.end());
    answer.on('error', () => response.destroy());
  });
  let isFirst = true;
  request.on('data', (chunk: Buffer) => {
    outgoing.write(fault.kind === 'corrupt-upload' && isFirst ? flipped(chunk, 0) : chunk);
    isFirst = false;
  });
  request.on('end', () => outgoing.end());
}

function flipped(chunk: Buffer, at: number): Buffer {
  const copy = Buffer.from(chunk);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}
