import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { endToEnd, headerPairs } from './relay-headers.js';
import type { RelayTarget } from './relay-target.js';

/** Passes plain requests on. */
export interface Forwarder {
  forward(request: IncomingMessage, response: ServerResponse): void;
  close(): void;
}

/** Connections to the session's proxy for plain requests; further requests wait. */
const mostSockets = 256;

/** Passes plain http requests (absolute form) on, each with the session's credentials, streaming both ways. */
export function createForwarder(target: RelayTarget): Forwarder {
  const agent = new Agent({ keepAlive: true, maxSockets: mostSockets });
  return {
    forward(request, response) {
      if (!/^https?:\/\//i.test(request.url ?? '')) {
        refuse(response, 400, `this is a proxy: expected an absolute URL, found ${(request.url ?? '').slice(0, 200)}`);
        return;
      }
      // What a build sends may be more than Node's client is willing to write: that is a refusal, not our end.
      guarded(response, 400, () => send(request, response, target, agent));
    },
    close: () => agent.destroy(),
  };
}

function send(request: IncomingMessage, response: ServerResponse, target: RelayTarget, agent: Agent): void {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  const outward = httpRequest({
    ...target.address,
    agent,
    method: request.method,
    path: request.url,
    headers: requestHeaders(request, target.authorization),
    setHost: false,
  });
  outward.on('response', (answer) => guarded(response, 502, () => deliver(answer, response, target)));
  outward.on('error', (error: NodeJS.ErrnoException) => {
    if (response.headersSent || response.destroyed) response.destroy();
    // The proxy closed a kept connection just when it was used again: nothing was done with the request yet.
    else if (outward.reusedSocket && error.code === 'ECONNRESET' && !hasBody) {
      guarded(response, 400, () => send(request, response, target, agent));
    } else refuse(response, 502, `cannot reach the session's proxy: ${error.message}`);
  });
  breakTogether(request, response, outward);
  if (hasBody) request.pipe(outward);
  else outward.end();
}

function requestHeaders(request: IncomingMessage, authorization: string): string[] {
  const headers = endToEnd(request.rawHeaders);
  if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
  if (request.headers.te !== undefined) headers.push('TE', 'trailers');
  headers.push('Proxy-Authorization', authorization);
  return headers;
}

function deliver(answer: IncomingMessage, response: ServerResponse, target: RelayTarget): void {
  response.sendDate = false;
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', endToEnd(answer.rawHeaders));
  answer.on('data', (chunk: Buffer) => target.count(0, chunk.length));
  // An answer that breaks off must break off for the client, too, not look complete.
  answer.once('error', () => response.destroy());
  answer.once('end', () => {
    if (answer.rawTrailers.length > 0) response.addTrailers(headerPairs(answer.rawTrailers));
  });
  answer.pipe(response);
}

/** The client is gone, or its upload breaks off: the session's proxy stops as well. */
function breakTogether(request: IncomingMessage, response: ServerResponse, outward: ClientRequest): void {
  response.once('close', () => {
    if (!response.writableFinished) outward.destroy();
  });
  request.once('error', () => outward.destroy());
}

function guarded(response: ServerResponse, status: number, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (response.headersSent) response.destroy();
    else refuse(response, status, `this request cannot be passed on: ${(error as Error).message}`);
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${text}\n`);
}
