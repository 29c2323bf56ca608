import { constants } from 'node:http2';
import type { RawRequest } from '../http/arrivals.js';
import type { ListenerTimes } from './listener-times.js';

/**
 * Ends a request whose body comes more slowly than anybody means: a few of them would hold files and room for ever. While it
 * is we who do not read, the client is not to blame.
 */
export function watchBody(request: RawRequest, times: Pick<ListenerTimes, 'bodyCheckMs' | 'bodyCheckBytes'>): void {
  if (!hasBody(request)) return;
  const { socket } = request;
  let before = socket.bytesRead;
  const timer = setInterval(() => {
    if (request.readableEnded || request.destroyed) return clearInterval(timer);
    const now = socket.bytesRead;
    const isOurs = request.readableLength > 0;
    if (!isOurs && now - before < times.bodyCheckBytes) {
      clearInterval(timer);
      cutOff(request);
    }
    before = now;
  }, times.bodyCheckMs);
  timer.unref();
  request.once('close', () => clearInterval(timer));
  request.once('end', () => clearInterval(timer));
}

function hasBody(request: RawRequest): boolean {
  if (request.httpVersionMajor >= 2) return request.method !== 'GET' && request.method !== 'HEAD' && !isGrpc(request);
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}

/** Streams of gRPC may rightly be silent. */
function isGrpc(request: RawRequest): boolean {
  return request.headers['content-type']?.startsWith('application/grpc') ?? false;
}

function cutOff(request: RawRequest): void {
  if ('stream' in request) request.stream.close(constants.NGHTTP2_CANCEL);
  else request.destroy(new Error('the body comes too slowly'));
}
