import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Arrival } from '../serving/serving.js';

/** A request of Node's, of either version of HTTP. */
export type RawRequest = IncomingMessage | Http2ServerRequest;

const arrivals = new WeakMap<object, Arrival>();

/** Notes how a request came; the listener does it before anybody sees the request. */
export function setArrival(request: RawRequest, arrival: Arrival): void {
  arrivals.set(request, arrival);
}

/** How a request came. One that no listener brought (an injected one of a test) has no rights at all. */
export function arrivalOf(request: RawRequest): Arrival {
  return arrivals.get(request) ?? { listener: { anonymous: 'none' } };
}

/** All that a request shows of who calls; for `serving.identify`. */
export function credentialsOf(request: RawRequest) {
  const { authorization, host } = request.headers;
  const authority = request.headers[':authority'];
  return { ...arrivalOf(request), authorization, authority: typeof authority === 'string' ? authority : host };
}
